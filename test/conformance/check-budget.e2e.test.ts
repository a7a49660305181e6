import { checkBudgetSuite } from './check-budget.suite.ts';
import { realBroker } from './real-broker.ts';

checkBudgetSuite(realBroker());
