import java.nio.file.Path;
import java.util.Map;
import org.neo4j.configuration.GraphDatabaseSettings;
import org.neo4j.dbms.api.DatabaseManagementService;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;

/** Runs Neo4j in the folder that is its only argument, as neo4j.conf there says, until a signal ends it. */
public final class Neo4jServer {
    private static final String SET_PASSWORD = "ALTER USER neo4j SET PASSWORD $password CHANGE NOT REQUIRED";

    private Neo4jServer() {}

    public static void main(String[] arguments) {
        try {
            serve(Path.of(arguments[0]), System.getenv("NEO4J_NEW_PASSWORD"));
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1); // the server's own threads would keep the process alive
        }
    }

    private static void serve(Path home, String newPassword) {
        DatabaseManagementService server = new DatabaseManagementServiceBuilder(home)
                .loadPropertiesFromFile(home.resolve("neo4j.conf"))
                .build();
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdown));
        if (newPassword != null) {
            server.database(GraphDatabaseSettings.SYSTEM_DATABASE_NAME)
                    .executeTransactionally(SET_PASSWORD, Map.of("password", newPassword));
        }
        System.out.println("ready");
    }
}
