import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/**
 * The peer: a JSON state per dossier with its changelog, and tallies per unit and day in a second store, exactly once.
 *
 * Arguments: the bootstrap server and a folder. Each line on standard input, `TOPIC APPLICATION STORE EVENTS` (STORE:
 * rocksdb or memory), is one run; its answer is one line, `SECONDS RECEIVED`: from the first event until the group has
 * committed all of them, and the dossiers received by the tallies. One process serves every run, so its JVM is warm.
 *
 * It does less than Hoso: no late facts, retractions, repeats, pauses, working time, policies, transfers, due index.
 */
public final class Job {
    static final ZoneId OFFICE = ZoneId.of("Asia/Ho_Chi_Minh");
    static final ObjectMapper JSON = new ObjectMapper();
    static final ObjectReader EVENTS = JSON.readerFor(Event.class);
    static final ObjectReader STATES = JSON.readerFor(Dossier.class);
    static final ObjectWriter WRITER = JSON.writerFor(Dossier.class);

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Event {
        public String id, source, type, subject, time;
        public Data data;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Data {
        public String unit_id, procedure_id, channel, due_at, outcome;
    }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public static final class Entry {
        public long at;
        public String kind, id, unit, procedure, channel, outcome;
        public Long due;
    }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public static final class Dossier {
        public String status, unit, procedure, channel, outcome, timeliness;
        public Long accepted, due, finished, delivered;
        public List<Entry> history = new ArrayList<>();
    }

    static final class Fold implements Processor<String, byte[], Void, Void> {
        final AtomicLong first;
        KeyValueStore<String, byte[]> states;
        KeyValueStore<String, Long> tallies;

        Fold(AtomicLong first) {
            this.first = first;
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            states = context.getStateStore("states");
            tallies = context.getStateStore("tallies");
        }

        @Override
        public void process(Record<String, byte[]> record) {
            first.compareAndSet(0, System.nanoTime());
            try {
                Event event = EVENTS.readValue(record.value());
                byte[] known = states.get(event.subject);
                Dossier dossier = known == null ? new Dossier() : STATES.readValue(known);
                step(dossier, event);
                states.put(event.subject, WRITER.writeValueAsBytes(dossier));
            } catch (java.io.IOException error) {
                throw new RuntimeException(error);
            }
        }

        void step(Dossier dossier, Event event) {
            Data data = event.data;
            Entry entry = new Entry();
            entry.at = micros(event.time);
            entry.id = event.source + "/" + event.id;
            entry.kind = event.type.substring("vn.hoso.dossier.".length(), event.type.length() - ".v1".length());
            entry.unit = data.unit_id;
            entry.procedure = data.procedure_id;
            entry.channel = data.channel;
            entry.outcome = data.outcome;
            entry.due = data.due_at == null ? null : micros(data.due_at);
            dossier.history.add(entry);
            String before = bucket(dossier), unit = dossier.unit;
            dossier.status = entry.kind;
            switch (entry.kind) {
                case "registered", "accepted" -> {
                    dossier.unit = entry.unit;
                    dossier.procedure = entry.procedure;
                    dossier.channel = entry.channel;
                    if (entry.kind.equals("accepted")) {
                        dossier.accepted = entry.at;
                        dossier.due = entry.due;
                        count(dossier.unit + "/" + day(entry.at) + "/received_" + entry.channel, 1);
                    }
                }
                case "finished" -> {
                    dossier.finished = entry.at;
                    dossier.outcome = entry.outcome;
                    int order = dossier.due == null ? 0 : day(entry.at).compareTo(day(dossier.due));
                    dossier.timeliness =
                            dossier.due == null ? "undated" : order < 0 ? "early" : order == 0 ? "on_time" : "overdue";
                    count(dossier.unit + "/" + day(entry.at) + "/resolved_" + dossier.timeliness, 1);
                    count(dossier.unit + "/" + day(entry.at) + "/outcome_" + dossier.outcome, 1);
                }
                case "delivered" -> dossier.delivered = entry.at;
                default -> { }
            }
            String after = bucket(dossier);
            if (!java.util.Objects.equals(before, after) || !java.util.Objects.equals(unit, dossier.unit)) {
                if (before != null) count(unit + "/" + before, -1);
                if (after != null) count(dossier.unit + "/" + after, 1);
            }
        }

        static String bucket(Dossier dossier) {
            if (dossier.status == null || dossier.finished != null) return null;
            if (dossier.accepted == null) return "open_registered";
            return dossier.status.endsWith("_requested") ? "open_paused" : "open";
        }

        void count(String key, long step) {
            Long was = tallies.get(key);
            tallies.put(key, (was == null ? 0 : was) + step);
        }

        static long micros(String moment) {
            Instant at = OffsetDateTime.parse(moment).toInstant();
            return at.getEpochSecond() * 1_000_000 + at.getNano() / 1_000;
        }

        static LocalDate day(long micros) {
            return Instant.ofEpochSecond(micros / 1_000_000).atZone(OFFICE).toLocalDate();
        }
    }

    static KeyValueBytesStoreSupplier store(String kind, String name) {
        return kind.equals("memory") ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
    }

    static String run(String bootstrap, String folder, String topic, String application, String kind, long events)
            throws Exception {
        AtomicLong first = new AtomicLong();
        Topology topology = new Topology();
        topology.addSource("events", new StringDeserializer(), new ByteArrayDeserializer(), topic);
        topology.addProcessor("fold", () -> new Fold(first), "events");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(store(kind, "states"), Serdes.String(), Serdes.ByteArray())
                        .withCachingEnabled(), "fold");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(store(kind, "tallies"), Serdes.String(), Serdes.Long())
                        .withCachingEnabled(), "fold");
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        try (KafkaStreams streams = new KafkaStreams(topology, settings);
                Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            streams.start();
            while (committed(admin, application) < events) {
                if (streams.state() == KafkaStreams.State.ERROR) throw new IllegalStateException("ended");
                Thread.sleep(20);
            }
            double seconds = (System.nanoTime() - first.get()) / 1e9;
            long received = 0;
            try (var all = streams.store(StoreQueryParameters.fromNameAndType(
                    "tallies", QueryableStoreTypes.<String, Long>keyValueStore())).all()) {
                while (all.hasNext()) {
                    var tally = all.next();
                    if (tally.key.contains("/received_")) received += tally.value;
                }
            }
            return seconds + " " + received;
        }
    }

    static long committed(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream()
                .mapToLong(OffsetAndMetadata::offset).sum();
    }

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] wanted = line.split(" ");
            System.out.println(
                    run(arguments[0], arguments[1], wanted[0], wanted[1], wanted[2], Long.parseLong(wanted[3])));
        }
    }
}
