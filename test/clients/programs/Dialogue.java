import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;

/** Asks who it is, cancels a statement, asks again on the same session, and shows an error. */
class Dialogue {
  private static final String WHO = "select current_user || ' on ' || current_database()";

  public static void main(String[] none) throws SQLException {
    var connection =
        DriverManager.getConnection(
            System.getenv("SPRING_DATASOURCE_URL"),
            System.getenv("SPRING_DATASOURCE_USERNAME"),
            System.getenv("SPRING_DATASOURCE_PASSWORD"));
    try (connection) {
      var statement = connection.createStatement();
      System.out.println(ask(statement, WHO));
      statement.setQueryTimeout(1);
      System.out.println(ask(statement, "select pg_sleep(60)"));
      statement.setQueryTimeout(0);
      System.out.println(ask(statement, WHO));
      System.out.println(ask(statement, "select * from nowhere"));
    }
  }

  private static String ask(Statement statement, String words) {
    try {
      var rows = statement.executeQuery(words);
      rows.next();
      return rows.getString(1);
    } catch (SQLException error) {
      var code = error.getSQLState();
      var line = error.getMessage().lines().findFirst().orElse("");
      return code.equals("57014") ? code : code + " " + line.replaceFirst("^ERROR: ", "");
    }
  }
}
