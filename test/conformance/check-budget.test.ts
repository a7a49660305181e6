import { checkBudgetSuite } from './check-budget.suite.ts';
import { embeddedBroker } from './embedded-broker.ts';

checkBudgetSuite(embeddedBroker());
