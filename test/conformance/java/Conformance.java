import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/** The official Java client: a transaction, a check-back, a SimpleConsumer, a PushConsumer. Prints one line a step. */
public final class Conformance {
  private static final ClientServiceProvider PROVIDER = ClientServiceProvider.loadService();

  public static void main(String[] args) throws Exception {
    String endpoints = args[0];
    String transactional = args[1];
    String normal = args[2];
    String simpleGroup = args[3];
    String pushGroup = args[4];
    ClientConfiguration configuration = ClientConfiguration.newBuilder().setEndpoints(endpoints).enableSsl(false).build();

    SimpleConsumer simple =
        PROVIDER
            .newSimpleConsumerBuilder()
            .setClientConfiguration(configuration)
            .setConsumerGroup(simpleGroup)
            .setAwaitDuration(Duration.ofSeconds(5))
            .setSubscriptionExpressions(Collections.singletonMap(transactional, FilterExpression.SUB_ALL))
            .build();
    Producer producer =
        PROVIDER
            .newProducerBuilder()
            .setClientConfiguration(configuration)
            .setTopics(transactional)
            .setTransactionChecker(
                view -> {
                  System.out.println("asked about " + body(view));
                  return "forgotten".equals(body(view)) ? TransactionResolution.COMMIT : TransactionResolution.ROLLBACK;
                })
            .build();

    Transaction committed = producer.beginTransaction();
    producer.send(message(transactional, "committed"), committed);
    committed.commit();
    System.out.println("received " + receive(simple));

    Transaction rolledBack = producer.beginTransaction();
    producer.send(message(transactional, "rolled back"), rolledBack);
    rolledBack.rollback();

    producer.send(message(transactional, "forgotten"), producer.beginTransaction());
    System.out.println("received " + receive(simple));
    producer.close();
    simple.close();

    AtomicInteger deliveries = new AtomicInteger();
    CountDownLatch done = new CountDownLatch(2);
    PushConsumer push =
        PROVIDER
            .newPushConsumerBuilder()
            .setClientConfiguration(configuration)
            .setConsumerGroup(pushGroup)
            .setSubscriptionExpressions(Collections.singletonMap(normal, new FilterExpression("placed")))
            .setMessageListener(
                view -> {
                  System.out.println("pushed " + body(view) + ", attempt " + view.getDeliveryAttempt());
                  done.countDown();
                  return deliveries.incrementAndGet() == 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS;
                })
            .build();
    Producer ordinary = PROVIDER.newProducerBuilder().setClientConfiguration(configuration).setTopics(normal).build();
    ordinary.send(message(normal, "ordinary"));
    boolean both = done.await(60, TimeUnit.SECONDS);
    ordinary.close();
    push.close();
    System.out.println(both ? "done" : "gave up");
    System.exit(both ? 0 : 1);
  }

  private static Message message(String topic, String body) {
    return PROVIDER.newMessageBuilder().setTopic(topic).setTag("placed").setKeys("k-" + body.length()).setBody(body.getBytes(StandardCharsets.UTF_8)).build();
  }

  private static String receive(SimpleConsumer consumer) throws Exception {
    for (int attempt = 0; attempt < 20; attempt += 1) {
      List<MessageView> views = consumer.receive(1, Duration.ofSeconds(30));
      for (MessageView view : views) {
        consumer.ack(view);
        return body(view);
      }
    }
    throw new IllegalStateException("nothing received");
  }

  private static String body(MessageView view) {
    return StandardCharsets.UTF_8.decode(view.getBody()).toString();
  }

  private Conformance() {}
}
