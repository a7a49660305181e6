import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/core';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors.ts';
import type { ExternalCall } from '../gateway/external-call.ts';
import { type StepRetry, resolveStepRetry } from './step-retry.ts';

/** What a step sees: the saga's input and the results of the steps before it, as they were stored. */
export interface SagaState<Input, Results> {
  readonly sagaId: string;
  readonly correlationId: string;
  readonly input: Input;
  /** By the name of the step. */
  readonly results: Results;
}

/**
 * Work in our own database, in the transaction that records the step: both happen or neither, once. A throw undoes it
 * and it is tried again; `StepRejectedError` says that trying again is no use, and an action then begins the
 * compensation. No I/O but through `em`, for a transaction the database refused is run again. What it returns is stored
 * as JSON in clear.
 */
export type LocalStep<Input, Results, Result> = (em: EntityManager, state: SagaState<Input, Results>) => Promise<Result> | Result;

/** A call to an institution, audited by the gateway, under an idempotency key made of saga and step. */
export interface CallStep<Input, Results, CallInput, Response, Result> {
  /** Its `statusCheck` is what is asked when the outcome is unknown; without one, a person is. */
  readonly call: ExternalCall<CallInput, Response>;
  /** Pure: every attempt builds its request anew. */
  readonly input: (state: SagaState<Input, Results>) => CallInput;
  /** What later steps need of the answer. Stored as JSON in clear, so pick; must not throw. Default: nothing is kept. */
  readonly result?: (response: Response) => Result;
}

export interface SagaStepDefinition<Input, Results, Name extends string, CI, CR, Result, UI, UR> {
  /** Unique in the saga; part of the idempotency key. 1 to 24 of A–Z a–z 0–9 . _ - */
  readonly name: Name;
  readonly action: LocalStep<Input, Results, Result> | CallStep<Input, Results, CI, CR, Result>;
  /** Undoes the action, whose result is among `results`. Runs only if the action was done. Default: there is nothing to undo. */
  readonly compensation?:
    | LocalStep<Input, Results & Readonly<Record<Name, Result>>, unknown>
    | CallStep<Input, Results & Readonly<Record<Name, Result>>, UI, UR, unknown>;
  /** Default: `DEFAULT_STEP_RETRY`, each figure by itself. */
  readonly retry?: Partial<StepRetry>;
}

export interface SagaDefinition<Input> {
  /** Unique among the service's sagas. 1 to 64 of A–Z a–z 0–9 . _ - */
  readonly name: string;
  /** Another number for every change of the steps: instances of a version nobody runs are left alone. Default 1. */
  readonly version?: number;
  /** Any Standard Schema; refuses bad input at the start. Default: anything JSON can carry. */
  readonly input?: StandardSchemaV1<unknown, Input>;
}

/** A step with its defaults filled in, its types forgotten. */
export interface AnySagaStep {
  readonly name: string;
  readonly action: AnyStepWork;
  readonly compensation: AnyStepWork | undefined;
  readonly retry: StepRetry;
}

/* oxlint-disable typescript/no-explicit-any -- a saga's steps take and give different types; each was checked where it was defined */
export type AnyStepWork = LocalStep<any, any, any> | CallStep<any, any, any, any, any>;
export type AnySaga = Saga<any, any>;
/* oxlint-enable typescript/no-explicit-any */

/** A checked, frozen saga. Holds no resource: any number of runners may run the same one. */
export interface Saga<Input, Results> {
  readonly name: string;
  readonly version: number;
  readonly input: StandardSchemaV1<unknown, Input> | undefined;
  readonly steps: readonly AnySagaStep[];
  /** Of the steps' names, kinds and calls: an instance is never run by steps that are not those it was started with. */
  readonly fingerprint: string;
  /** The same saga with one more step at its end. Throws `ConfigurationError` or `RangeError` naming what is wrong. */
  step<const Name extends string, Result = undefined, CI = never, CR = unknown, UI = never, UR = unknown>(
    step: SagaStepDefinition<Input, Results, Name, CI, CR, Result, UI, UR>,
  ): Saga<Input, Results & Readonly<Record<Name, Result>>>;
}

/**
 * Begins a saga; each `.step(…)` adds one, seeing the results of those before it. Throws `ConfigurationError` at once
 * when it cannot work.
 */
export function defineSaga<Input>(definition: SagaDefinition<Input>): Saga<Input, unknown> {
  const { name, version = 1, input } = definition;
  for (const field of Object.keys(definition)) {
    if (!['name', 'version', 'input'].includes(field))
      throw new ConfigurationError(`saga ${JSON.stringify(name)}: unknown field "${field}"`);
  }
  if (!/^[\w.-]{1,64}$/.test(name)) throw new ConfigurationError(`saga name ${JSON.stringify(name)} must be 1 to 64 of A–Z a–z 0–9 . _ -`);
  if (!Number.isSafeInteger(version) || version < 1 || version > 65_535)
    throw new ConfigurationError(`saga "${name}": version must be a whole number from 1 to 65535, got ${version}`);
  if (input !== undefined && typeof input?.['~standard']?.validate !== 'function')
    throw new ConfigurationError(`saga "${name}": input must be a Standard Schema`);
  return sagaOf({ name, version, input }, []) as Saga<Input, unknown>;
}

function sagaOf(head: Pick<AnySaga, 'name' | 'version' | 'input'>, steps: readonly AnySagaStep[]): AnySaga {
  const shape = steps.map(({ name, action, compensation }) => [name, kindOf(action), compensation && kindOf(compensation)]);
  return Object.freeze({
    ...head,
    steps: Object.freeze(steps),
    fingerprint: createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 16),
    step: (definition: unknown) => sagaOf(head, [...steps, resolveStep(head.name, steps, definition as Partial<AnySagaStep>)]),
  }) as AnySaga;
}

const STEP_FIELDS = ['name', 'action', 'compensation', 'retry'];

function resolveStep(saga: string, before: readonly AnySagaStep[], definition: Partial<AnySagaStep>): AnySagaStep {
  const { name = '', action, compensation, retry } = definition;
  const refuse = (what: string): never => {
    throw new ConfigurationError(`saga "${saga}", step ${JSON.stringify(name)}: ${what}`);
  };
  for (const field of Object.keys(definition)) if (!STEP_FIELDS.includes(field)) refuse(`unknown field "${field}"`);
  if (!/^[\w.-]{1,24}$/.test(name)) refuse('its name must be 1 to 24 of A–Z a–z 0–9 . _ -');
  if (before.some((other) => other.name === name)) refuse('the name is used twice');
  if (!isWork(action)) return refuse('action must be a function or { call, input }');
  if (compensation !== undefined && !isWork(compensation)) return refuse('compensation must be a function or { call, input }');
  return Object.freeze({ name, action, compensation, retry: resolveStepRetry(`saga "${saga}", step "${name}"`, retry) });
}

const isWork = (work: unknown): work is AnyStepWork =>
  typeof work === 'function' ||
  (typeof work === 'object' && work !== null && 'call' in work && 'input' in work && typeof work.input === 'function');

const kindOf = (work: AnyStepWork): string => (typeof work === 'function' ? 'local' : `call ${work.call.name}`);
