// What an application does with PostgreSQL's JDBC driver and its defaults: java -cp postgresql.jar JdbcApp.java
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.postgresql.PGConnection;

public class JdbcApp {
    private interface Step {
        void run() throws Exception;
    }

    private static final String COPY = System.getenv("WEIR_COPY");
    private static final String TABLE = "jdbc_item_" + COPY;
    private static boolean failed = false;

    private static void step(String name, Step step) {
        try {
            step.run();
            System.out.println("ok " + name);
        } catch (Throwable error) {
            failed = true;
            error.printStackTrace();
            System.out.println("FAILED " + name + ": " + String.valueOf(error.getMessage()).replace('\n', ' '));
        }
    }

    private static void same(Object expected, Object actual) {
        if (!expected.equals(actual)) {
            throw new AssertionError("expected " + expected + ", got " + actual);
        }
    }

    private static Connection connect(String options) throws SQLException {
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":"
            + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE") + "?user="
            + System.getenv("PGUSER") + options);
    }

    private static Object one(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return row.getObject(1);
        }
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    // From the fifth time on they are prepared by name.
    private static void preparedStatements() throws Exception {
        List<Connection> connections = new ArrayList<>();
        for (int n = 0; n < 6; ++n) connections.add(connect(""));
        for (int round = 0; round < 12; ++round) {
            for (int n = 0; n < connections.size(); ++n) {
                try (PreparedStatement insert =
                         connections.get(n).prepareStatement("insert into " + TABLE + " values (?, ?)")) {
                    insert.setInt(1, n * 100 + round);
                    insert.setString(2, "item " + n);
                    insert.executeUpdate();
                }
            }
        }
        same(72L, one(connections.get(0), "select count(*) from " + TABLE));
        for (Connection connection : connections) connection.close();
    }

    private static void batch() throws Exception {
        try (Connection connection = connect("&reWriteBatchedInserts=true")) {
            connection.setAutoCommit(false);
            PreparedStatement insert = connection.prepareStatement("insert into " + TABLE + " values (?, ?)");
            for (int n = 0; n < 500; ++n) {
                insert.setInt(1, 10000 + n);
                insert.setString(2, "batch");
                insert.addBatch();
            }
            same(500, insert.executeBatch().length);
            connection.commit();
        }
    }

    private static void cursorByFetchSize() throws Exception {
        try (Connection connection = connect("")) {
            connection.setAutoCommit(false);
            int seen = 0;
            try (PreparedStatement select = connection.prepareStatement("select * from " + TABLE)) {
                select.setFetchSize(20);
                for (int round = 0; round < 7; ++round) {
                    try (ResultSet rows = select.executeQuery()) {
                        while (rows.next()) ++seen;
                    }
                }
            }
            connection.commit();
            same(7 * 572, seen);
        }
    }

    private static void savepoints(String options) throws Exception {
        try (Connection connection = connect(options)) {
            connection.setAutoCommit(false);
            execute(connection, "insert into " + TABLE + " values (20000, 'kept')");
            Savepoint savepoint = connection.setSavepoint();
            try {
                execute(connection, "insert into " + TABLE + " values (20000, 'twice')");
                throw new AssertionError("no error");
            } catch (SQLException error) {
                same("23505", error.getSQLState());
            }
            connection.rollback(savepoint);
            same("kept", one(connection, "select name from " + TABLE + " where id = 20000"));
            connection.rollback();
        }
    }

    private static void sessionProperties() throws Exception {
        try (Connection connection = connect("&ApplicationName=jdbc" + COPY + "&options=-c%20work_mem=5MB")) {
            connection.setReadOnly(true);
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            for (int n = 0; n < 10; ++n) {
                same("jdbc" + COPY, one(connection, "show application_name"));
                same("5MB", one(connection, "show work_mem"));
                same("serializable", one(connection, "show transaction_isolation"));
            }
            connection.setReadOnly(false);
            connection.setSchema("pg_catalog");
            same("pg_catalog", one(connection, "select current_schema()"));
        }
    }

    private static void changedTable() throws Exception {
        try (Connection connection = connect("")) {
            for (int round = 0; round < 3; ++round) {
                for (int n = 0; n < 7; ++n) {
                    try (PreparedStatement select =
                             connection.prepareStatement("select * from " + TABLE + " limit 1")) {
                        select.executeQuery().next();
                    }
                }
                execute(connection, "alter table " + TABLE + " add extra_" + round + " int");
            }
        }
    }

    private static void temporaryTable() throws Exception {
        try (Connection connection = connect("")) {
            execute(connection, "create temp table jdbc_scratch (a int)");
            for (int n = 0; n < 20; ++n) execute(connection, "insert into jdbc_scratch values (" + n + ")");
            same(20L, one(connection, "select count(*) from jdbc_scratch"));
        }
    }

    private static void notifications() throws Exception {
        try (Connection connection = connect(""); Connection other = connect("")) {
            execute(connection, "listen jdbc_" + COPY);
            execute(other, "notify jdbc_" + COPY + ", 'hello'");
            var heard = connection.unwrap(PGConnection.class).getNotifications(10000);
            same("hello", heard[0].getParameter());
        }
    }

    // As migration tools do: one connection holds the lock, another one works.
    private static void advisoryLock() throws Exception {
        try (Connection locker = connect(""); Connection worker = connect("")) {
            one(locker, "select pg_advisory_lock(77, " + COPY + ")");
            for (int n = 0; n < 10; ++n) {
                same(false, one(worker, "select pg_try_advisory_lock(77, " + COPY + ")"));
            }
            same(true, one(locker, "select pg_advisory_unlock(77, " + COPY + ")"));
            same(true, one(worker, "select pg_try_advisory_lock(77, " + COPY + ")"));
        }
    }

    private static void metadata() throws Exception {
        try (Connection connection = connect("")) {
            try (ResultSet columns = connection.getMetaData().getColumns(null, "public", TABLE, null)) {
                int seen = 0;
                while (columns.next()) ++seen;
                same(5, seen);
            }
        }
    }

    private static void queryTimeout() throws Exception {
        try (Connection connection = connect(""); Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            try {
                statement.execute("select pg_sleep(20)");
                throw new AssertionError("no timeout");
            } catch (SQLException error) {
                same("57014", error.getSQLState());
            }
            same(1, one(connection, "select 1"));
        }
    }

    public static void main(String[] arguments) {
        step("tables", () -> {
            try (Connection connection = connect("")) {
                execute(connection, "drop table if exists " + TABLE);
                execute(connection, "create table " + TABLE + " (id int primary key, name text)");
            }
        });
        step("prepared_statements", JdbcApp::preparedStatements);
        step("batch", JdbcApp::batch);
        step("cursor_by_fetch_size", JdbcApp::cursorByFetchSize);
        step("savepoints", () -> savepoints(""));
        step("autosave", () -> savepoints("&autosave=always"));
        step("simple_protocol", () -> savepoints("&preferQueryMode=simple"));
        step("session_properties", JdbcApp::sessionProperties);
        step("changed_table", JdbcApp::changedTable);
        step("temporary_table", JdbcApp::temporaryTable);
        step("notifications", JdbcApp::notifications);
        step("advisory_lock", JdbcApp::advisoryLock);
        step("metadata", JdbcApp::metadata);
        step("query_timeout", JdbcApp::queryTimeout);
        System.exit(failed ? 1 : 0);
    }
}
