import java.sql.DriverManager;
import java.sql.SQLException;

/** Asks as Spring Boot does: with the URL, the user and the password of its environment. */
class Pgjdbc {
  public static void main(String[] query) throws SQLException {
    var connection =
        DriverManager.getConnection(
            System.getenv("SPRING_DATASOURCE_URL"),
            System.getenv("SPRING_DATASOURCE_USERNAME"),
            System.getenv("SPRING_DATASOURCE_PASSWORD"));
    try (connection) {
      var rows = connection.createStatement().executeQuery(query[0]);
      rows.next();
      System.out.println(rows.getString(1));
    }
  }
}
