import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/**
 * Half and END by the official Java client, as it is documented: send(message, transaction), commit(). It has no
 * asynchronous form of either, so what is in flight is as many threads. Arguments: endpoints, topic. Commands and answers
 * are those of serve-load.ts; only "closed" is known.
 */
public final class HalfAndEnd {
  private static final ClientServiceProvider PROVIDER = ClientServiceProvider.loadService();
  private static final OperatingSystemMXBean SYSTEM = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    ClientConfiguration configuration = ClientConfiguration.newBuilder().setEndpoints(args[0]).enableSsl(false).build();
    AtomicInteger checks = new AtomicInteger();
    Producer producer =
        PROVIDER
            .newProducerBuilder()
            .setClientConfiguration(configuration)
            .setTopics(topic)
            .setTransactionChecker(
                view -> {
                  checks.incrementAndGet();
                  return TransactionResolution.COMMIT;
                })
            .build();
    System.out.println("ready");
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      String[] words = line.split(" ");
      System.out.println(closed(producer, topic, Integer.parseInt(words[1]), Integer.parseInt(words[2]), checks));
    }
    producer.close();
    System.exit(0);
  }

  private static String closed(Producer producer, String topic, int inFlight, int orders, AtomicInteger checks) throws Exception {
    long[] latencies = new long[orders];
    AtomicInteger next = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger();
    CountDownLatch done = new CountDownLatch(inFlight);
    long cpuBefore = SYSTEM.getProcessCpuTime();
    long startedAt = System.nanoTime();
    for (int lane = 0; lane < inFlight; lane += 1) {
      Thread thread =
          new Thread(
              () -> {
                for (int nth = next.getAndIncrement(); nth < orders; nth = next.getAndIncrement()) {
                  long begun = System.nanoTime();
                  try {
                    Transaction transaction = producer.beginTransaction();
                    producer.send(message(topic), transaction);
                    transaction.commit();
                  } catch (Exception e) {
                    failed.incrementAndGet();
                  }
                  latencies[nth] = System.nanoTime() - begun;
                }
                done.countDown();
              });
      thread.setDaemon(true);
      thread.start();
    }
    done.await();
    double wallMs = (System.nanoTime() - startedAt) / 1e6;
    double cpuUs = (SYSTEM.getProcessCpuTime() - cpuBefore) / 1e3;
    Arrays.sort(latencies);
    return String.format(
        Locale.ROOT,
        "{\"orders\":%d,\"failed\":%d,\"wallMs\":%.3f,\"cpuUs\":%.0f,\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"openAtMiddle\":0,\"openAtEnd\":0,\"rssBytes\":0,\"checks\":%d}",
        orders,
        failed.get(),
        wallMs,
        cpuUs,
        latencies[orders / 2] / 1e6,
        latencies[Math.min(orders - 1, (int) (orders * 0.99))] / 1e6,
        checks.get());
  }

  private static Message message(String topic) {
    String order = UUID.randomUUID().toString();
    String id = UUID.randomUUID().toString();
    String body = "{\"orderId\":\"" + order + "\",\"customerId\":\"customer-17\",\"amountMinor\":1250,\"currency\":\"EUR\"}";
    return PROVIDER
        .newMessageBuilder()
        .setTopic(topic)
        .setTag("placed")
        .setKeys(order)
        .addProperty("checkback-owner", "bench")
        .addProperty("checkback-listener", topic + ":placed")
        .addProperty("checkback-tx", id)
        .addProperty("checkback-correlation-id", id)
        .addProperty("checkback-lookup", "rowExists")
        .addProperty("checkback-version", "1")
        .setBody(body.getBytes(StandardCharsets.UTF_8))
        .build();
  }

  private HalfAndEnd() {}
}
