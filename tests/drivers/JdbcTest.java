// PostgreSQL's JDBC driver through the proxy: java -cp /usr/share/java/postgresql.jar JdbcTest.java
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.postgresql.PGConnection;

public class JdbcTest {
    private static final boolean PGBOUNCER = "pgbouncer".equals(System.getenv("WEIR_PROXY"));
    private static final int POOL_SIZE = Integer.parseInt(System.getenv("WEIR_POOL_SIZE"));

    private interface Test {
        void run() throws Exception;
    }

    private static int failed = 0;
    private static int passed = 0;

    private static void test(String name, Test test) {
        try {
            test.run();
            ++passed;
            System.out.println("ok: " + name);
        } catch (Throwable error) {
            ++failed;
            System.out.println("FAILED: " + name);
            error.printStackTrace(System.out);
        }
    }

    private static void same(Object expected, Object actual) {
        if (!expected.equals(actual)) {
            throw new AssertionError("expected " + expected + ", got " + actual);
        }
    }

    private static void fails(String sqlstate, Test statement) throws Exception {
        try {
            statement.run();
        } catch (SQLException error) {
            same(sqlstate, error.getSQLState());
            return;
        }
        throw new AssertionError("no error, " + sqlstate + " was expected");
    }

    private static Connection connect(String more) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", "require");
        properties.setProperty("sslfactory", "org.postgresql.ssl.NonValidatingFactory");
        // Without server-side statements where the proxy cannot keep them apart.
        if (PGBOUNCER) properties.setProperty("prepareThreshold", "0");
        return DriverManager.getConnection(
                "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
                        + System.getenv("PGDATABASE") + more,
                properties);
    }

    private static Object value(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getObject(1);
        }
    }

    private static void types() throws Exception {
        try (Connection connection = connect("");
                PreparedStatement statement = connection.prepareStatement(
                        "select ?::int, ?::text, ?::float8, ?::bytea, ?::timestamptz")) {
            statement.setInt(1, 7);
            statement.setString(2, "zwölf");
            statement.setDouble(3, 1.5);
            statement.setBytes(4, new byte[] {0, -1});
            statement.setObject(5, java.time.OffsetDateTime.parse("2026-11-21T09:23:56Z"));
            ResultSet row = statement.executeQuery();
            row.next();
            same(7, row.getInt(1));
            same("zwölf", row.getString(2));
            same(1.5, row.getDouble(3));
            same((byte) -1, row.getBytes(4)[1]);
            same(java.time.OffsetDateTime.parse("2026-11-21T09:23:56Z"),
                    row.getObject(5, java.time.OffsetDateTime.class));
        }
    }

    // After prepareThreshold executions the driver uses named statements, and binary results.
    private static void namedStatements() throws Exception {
        List<Connection> connections = new ArrayList<>();
        List<PreparedStatement> statements = new ArrayList<>();
        for (int i = 0; i < 3 * POOL_SIZE; ++i) {
            connections.add(connect("?prepareThreshold=2"));
            statements.add(connections.get(i).prepareStatement("select ?::int * 2"));
        }
        for (int round = 0; round < 10; ++round) {
            for (int i = 0; i < statements.size(); ++i) {
                statements.get(i).setInt(1, i);
                ResultSet row = statements.get(i).executeQuery();
                row.next();
                same(2 * i, row.getInt(1));
            }
        }
        for (Connection connection : connections) connection.close();
    }

    private static void transactions() throws Exception {
        try (Connection connection = connect("")) {
            connection.createStatement().execute("create table jdbc_tx (a int primary key)");
            connection.setAutoCommit(false);
            connection.createStatement().execute("insert into jdbc_tx values (1)");
            java.sql.Savepoint savepoint = connection.setSavepoint();
            fails("23505", () -> connection.createStatement().execute("insert into jdbc_tx values (1)"));
            connection.rollback(savepoint);
            connection.commit();
            same(1L, value(connection, "select count(*) from jdbc_tx"));
            connection.rollback();
        }
    }

    private static void batch() throws Exception {
        try (Connection connection = connect("?reWriteBatchedInserts=true")) {
            connection.createStatement().execute("create table jdbc_batch (a int, b text)");
            connection.setAutoCommit(false);
            try (PreparedStatement insert =
                    connection.prepareStatement("insert into jdbc_batch values (?, ?)")) {
                for (int i = 0; i < 5000; ++i) {
                    insert.setInt(1, i);
                    insert.setString(2, "text");
                    insert.addBatch();
                }
                same(5000, insert.executeBatch().length);
            }
            connection.commit();
            same(5000L, value(connection, "select count(*) from jdbc_batch"));
            connection.rollback();
        }
    }

    private static void fetchSize() throws Exception {
        try (Connection connection = connect("")) {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(100);
                ResultSet rows = statement.executeQuery("select generate_series(1, 1000)");
                long total = 0;
                while (rows.next()) total += rows.getInt(1);
                same(500500L, total);
            }
            connection.commit();
        }
    }

    private static void copy() throws Exception {
        try (Connection connection = connect("")) {
            connection.createStatement().execute("create table jdbc_copy (a int)");
            var copy = connection.unwrap(PGConnection.class).getCopyAPI();
            same(3L, copy.copyIn("copy jdbc_copy from stdin", new StringReader("1\n2\n3\n")));
            StringWriter out = new StringWriter();
            copy.copyOut("copy jdbc_copy to stdout", out);
            same("1\n2\n3\n", out.toString());
        }
    }

    private static void cancel() throws Exception {
        try (Connection connection = connect(""); Statement statement = connection.createStatement()) {
            Thread canceler = new Thread(() -> {
                try {
                    Thread.sleep(500);
                    statement.cancel();
                } catch (Exception error) {
                    error.printStackTrace(System.out);
                }
            });
            canceler.start();
            fails("57014", () -> statement.execute("select pg_sleep(60)"));
            canceler.join();
            same(1, value(connection, "select 1"));
            statement.setQueryTimeout(1);
            fails("57014", () -> statement.execute("select pg_sleep(60)"));
        }
    }

    private static void errorsAndNotices() throws Exception {
        try (Connection connection = connect(""); Statement statement = connection.createStatement()) {
            statement.execute("do $$ begin raise notice 'heard'; end $$");
            same("heard", statement.getWarnings().getMessage());
            fails("42P01", () -> statement.execute("select * from nowhere"));
            fails("22012", () -> statement.execute("select 1/0"));
            same(1, value(connection, "select 1"));
        }
    }

    private static void metaData() throws Exception {
        try (Connection connection = connect("")) {
            connection.createStatement().execute("create table jdbc_meta (a int, b text)");
            ResultSet columns = connection.getMetaData().getColumns(null, null, "jdbc_meta", null);
            int count = 0;
            while (columns.next()) ++count;
            same(2, count);
        }
    }

    public static void main(String[] arguments) {
        test("types", JdbcTest::types);
        if (!PGBOUNCER) test("named statements on all servers", JdbcTest::namedStatements);
        test("transactions and savepoints", JdbcTest::transactions);
        test("batch inserts", JdbcTest::batch);
        test("fetch size reads a portal in pieces", JdbcTest::fetchSize);
        test("COPY", JdbcTest::copy);
        test("cancel and query timeout", JdbcTest::cancel);
        test("errors and notices", JdbcTest::errorsAndNotices);
        test("meta data", JdbcTest::metaData);
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }
}
