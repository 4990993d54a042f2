// java -cp postgresql.jar Load.java PORT USER DATABASE: JDBC's part of tests/statistics/run.py.
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.Statement;

public class Load {
    public static void main(String[] arguments) throws Exception {
        final String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/" + arguments[2]
            + "?sslmode=disable&user=" + arguments[1];
        try (Connection connection = DriverManager.getConnection(url)) {
            // Unnamed for the first five executions, then prepared.
            try (PreparedStatement select =
                     connection.prepareStatement("select 'jdbc', id, id from mixed where id = ?")) {
                for (int i = 0; i < 40; ++i) {
                    select.setInt(1, i);
                    select.executeQuery().close();
                }
            }
            connection.setAutoCommit(false);
            try (PreparedStatement insert =
                     connection.prepareStatement("insert into mixed values (?, 'jdbc')")) {
                for (int i = 0; i < 50; ++i) {
                    insert.setInt(1, 7000 + i);
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            connection.commit();
            // In pieces, by a portal.
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(100);
                final var rows = statement.executeQuery("select id, 'jdbc' from mixed order by id");
                while (rows.next()) {
                }
            }
            connection.commit();
            connection.setAutoCommit(true);
            try (Statement statement = connection.createStatement()) {
                for (int i = 0; i < 10; ++i) {
                    statement.executeQuery("select pg_sleep(0.02), 'jdbc' as jdbc").close();
                }
            }
        }
    }
}
