import 'reflect-metadata';
import {
  type DynamicModule,
  type FactoryProvider,
  Injectable,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import type { PlaceOrder } from '../place-order.transaction.ts';
import { type OrderAnswer, type Orders, answerOrder, openOrders } from './orders.ts';

/** A provider that is connected while the application runs: inject it where orders are taken, a controller for example. */
export class OrderPublisher implements OnModuleInit, OnApplicationShutdown {
  readonly #options: { endpoints: string; databaseUrl: string };
  #orders: Orders | undefined;

  constructor(options: { endpoints: string; databaseUrl: string }) {
    this.#options = options;
  }

  /** Nest serves no request before this is done; what is wrong with topic or database ends the start with a sentence. */
  async onModuleInit(): Promise<void> {
    this.#orders = await openOrders(this.#options);
  }

  /** After the last request; on signals too, once `app.enableShutdownHooks()` was called. */
  async onApplicationShutdown(): Promise<void> {
    await this.#orders?.close();
  }

  place(order: PlaceOrder): Promise<OrderAnswer> {
    if (this.#orders === undefined) throw new Error('the module is not initialised yet');
    return answerOrder({ publisher: this.#orders.publisher }, order);
  }
}
// Applied as functions, since Node runs this file as it is; `@Injectable()` and `@Module({})` are the same.
Injectable()(OrderPublisher);

// oxlint-disable-next-line typescript/no-extraneous-class -- a module of Nest is a class
export class OrdersModule {
  static forRoot(options: { endpoints: string; databaseUrl: string }): DynamicModule {
    const publisher: FactoryProvider<OrderPublisher> = { provide: OrderPublisher, useFactory: () => new OrderPublisher(options) };
    return { module: OrdersModule, providers: [publisher], exports: [OrderPublisher] };
  }
}
Module({})(OrdersModule);
