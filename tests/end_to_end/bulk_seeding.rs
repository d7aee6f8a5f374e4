//! Rows of seeds in files, CSV and NDJSON: copied where there is nothing yet, compared where there is.

use end_to_end::{Outcome, PostgresServer, Project, Version};

use crate::text;

const TABLES: &str = "CREATE TABLE \"User\" (id serial PRIMARY KEY, email text NOT NULL UNIQUE, name text, notes jsonb);
    CREATE TABLE \"Post\" (id bigint PRIMARY KEY, \"userId\" int REFERENCES \"User\", title text NOT NULL, at timestamptz, tags text[]);
    CREATE TABLE loose (code text, n numeric);";

fn project(server: &PostgresServer) -> Project {
    server.create_database("source");
    server.psql("source", TABLES);
    crate::project(server)
}

fn seed(project: &Project, arguments: &[&str]) -> Outcome {
    let fixed = ["seed", "--database", "source", "--output", "json"];
    project.run(fixed.iter().chain(arguments))
}

fn summary(outcome: Outcome) -> String {
    let document = outcome.expect_code(0).json();
    text(&document["steps"][0]["result"]["summary"])
}

const USERS: &str = "\u{feff}id,email,\"name\"\r\n1,ann@example.com,\"Ann \"\"the first\"\"\"\r\n7,bob@example.com,\r\n";
const POSTS: &str = "id,user.email,title,at,tags\n1,ann@example.com,\"two\nlines\",2026-01-01T00:00:00Z,\"{a,\"\"b c\"\"}\"\n2,,\"\",,\n";

#[test]
fn files_of_rows_are_written_once() {
    for version in [Version::V13, Version::V18] {
        let server = PostgresServer::start(version);
        let project = project(&server);
        project.write("seeds/data/users.csv", USERS);
        project.write("seeds/data/posts.csv", POSTS);
        project.write(
            "seeds/blog.toml",
            "[[tables]]\ntable = \"Post\"\nfile = \"data/posts.csv\"\n[[tables]]\ntable = \"User\"\nkey = [\"email\"]\nfile = \"data/users.csv\"\n",
        );
        let next = "SELECT last_value FROM \"User_id_seq\"";
        let looked = summary(seed(&project, &["--dry-run"]));
        assert_eq!(looked, "User: 2 inserted · Post: 2 inserted");
        assert_eq!(server.psql("source", "SELECT count(*) FROM \"User\""), "0");
        assert_eq!(server.psql("source", next), "1");

        assert_eq!(
            summary(seed(&project, &[])),
            "User: 2 inserted · Post: 2 inserted"
        );
        let rows = "SELECT string_agg(concat_ws('|', u.id, u.email, u.name, p.id, p.title, p.tags[2]), ' ' ORDER BY p.id) FROM \"Post\" p LEFT JOIN \"User\" u ON u.id = p.\"userId\"";
        assert_eq!(
            server.psql("source", rows),
            "1|ann@example.com|Ann \"the first\"|1|two\nlines|b c 2|"
        );
        assert_eq!(server.psql("source", next), "7");
        let written = "SELECT (SELECT string_agg(xmin::text, ',') FROM \"User\"), (SELECT string_agg(xmin::text, ',') FROM \"Post\")";
        let before = server.psql("source", written);
        assert_eq!(
            summary(seed(&project, &[])),
            "User: 2 unchanged · Post: 2 unchanged"
        );
        assert_eq!(server.psql("source", written), before);

        server.psql(
            "source",
            "UPDATE \"User\" SET name = 'x' WHERE id = 7; DELETE FROM \"Post\" WHERE id = 1",
        );
        project.write(
            "seeds/data/users.csv",
            &format!("{USERS}9,cyd@example.com,Cyd\r\n"),
        );
        assert_eq!(
            summary(seed(&project, &[])),
            "User: 1 inserted, 1 updated, 1 unchanged · Post: 1 inserted, 1 unchanged"
        );
        assert_eq!(
            server.psql("source", "SELECT name IS NULL FROM \"User\" WHERE id = 7"),
            "t"
        );
    }
}

#[test]
fn lines_of_json_are_rows_too() {
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    project.write(
        "seeds/10_User.csv",
        "email,name,notes\nann@example.com,Ann,\"{\"\"a\"\": 1}\"\n",
    );
    project.write(
        "seeds/20_Post.ndjson",
        "{\"id\": 1, \"user\": {\"email\": \"ann@example.com\"}, \"title\": \"one, \\\"two\\\"\", \"at\": \"2026-01-01\", \"tags\": [\"a\", \"b\\nc\"]}\n\
         {\"id\": 2, \"user\": {\"email\": null}, \"title\": \"x\\ty\", \"at\": null, \"tags\": null}\n",
    );
    let first = seed(&project, &[]).expect_code(0).json();
    let result = &first["steps"][0]["result"];
    assert_eq!(
        text(&result["summary"]),
        "User: 1 inserted · Post: 2 inserted"
    );
    assert_eq!(text(&result["sets"][1]["set"]), "Post");
    assert_eq!(
        server.psql(
            "source",
            "SELECT p.title, p.tags[2], u.notes->'a' FROM \"Post\" p JOIN \"User\" u ON u.id = p.\"userId\""
        ),
        "one, \"two\"|b\nc|1"
    );
    assert_eq!(
        summary(seed(&project, &[])),
        "User: 1 unchanged · Post: 2 unchanged"
    );
}

#[test]
fn what_a_file_cannot_say_is_named() {
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    server.psql(
        "source",
        "INSERT INTO \"User\" (email, name) VALUES ('ann@example.com', 'twin'), ('bob@example.com', 'twin'); INSERT INTO loose VALUES ('z', 1), ('z', 2)",
    );
    for (table, key, file, rows, expected) in [
        (
            "Post",
            "id",
            "a.csv",
            "id,title\n1,a\nx,b\n",
            "line 3, column id",
        ),
        ("Post", "id", "a.csv", "id,title\n1,a\n2\n", "line 3: "),
        (
            "Post",
            "id",
            "a.csv",
            "id,title\n1,a\n1,b\n",
            "duplicate key value",
        ),
        (
            "Post",
            "id",
            "a.csv",
            "id,tilte\n1,a\n",
            "Post has no column \"tilte\"",
        ),
        ("Post", "id", "a.csv", "", "the file has no header"),
        (
            "Post",
            "id",
            "a.csv",
            "title\na\n",
            "\"id\" is part of the key",
        ),
        (
            "Post",
            "id",
            "a.csv",
            "id,title,user.name\n1,a,twin\n",
            "row 1 of Post: 2 rows of User have name = twin",
        ),
        (
            "Post",
            "id",
            "a.csv",
            "id,title,user.email\n1,a,ann@example.com\n2,b,nobody\n",
            "row 2 of Post: there is no User with email = nobody",
        ),
        (
            "Post",
            "id",
            "a.csv",
            "id,title,user.mail\n1,a,b\n",
            "User has no column \"mail\"",
        ),
        (
            "Post",
            "id",
            "a.csv",
            "id,title,userId,user.email\n1,a,1,ann@example.com\n",
            "\"userId\" of Post is given twice",
        ),
        (
            "loose",
            "code",
            "a.csv",
            "code,n\na,1\nb,2\na,3\n",
            "2 rows that are given for loose have the key a",
        ),
        ("loose", "code", "a.csv", "code,n\n,1\n", "the key NULL"),
        (
            "loose",
            "code",
            "a.csv",
            "code,n\nz,3\n",
            "row 1 of loose: more than one row that is there has this key",
        ),
        (
            "Post",
            "id",
            "a.ndjson",
            "{\"id\": 1, \"title\": \"a\"}\n{\"id\": 2}\n",
            "line 2 has no \"title\"",
        ),
        (
            "Post",
            "id",
            "a.ndjson",
            "{\"id\": 1, \"title\": \"a\"}\n[1]\n",
            "line 2 is no JSON object",
        ),
        (
            "Post",
            "id",
            "a.ndjson",
            "{\"id\": 1, \"title\": \"a\"}\n{\"id\": \n",
            "line 2",
        ),
        (
            "Post",
            "id",
            "a.ndjson",
            "{\"id\": \"x\", \"title\": \"a\"}\n",
            "invalid input syntax for type bigint",
        ),
        ("Post", "id", "a.txt", "x", "neither CSV"),
        ("Post", "id", "b.csv", "x", "there is no file data/a.csv"),
    ] {
        project.write(&format!("seeds/data/{file}"), rows);
        let named = if file == "b.csv" { "a.csv" } else { file };
        project.write(
            "seeds/a.toml",
            &format!(
                "[[tables]]\ntable = \"{table}\"\nkey = [\"{key}\"]\nfile = \"data/{named}\"\n"
            ),
        );
        let failed = seed(&project, &["a"]).expect_code(1);
        assert!(
            failed.stderr.contains(expected),
            "{expected}\n{}",
            failed.stderr
        );
        std::fs::remove_file(project.path().join("seeds/data").join(file)).expect("removed");
        assert_eq!(server.psql("source", "SELECT count(*) FROM \"Post\""), "0");
    }
}

/// Each file is a transaction: what is done stays, and the next run goes on behind it.
#[test]
fn a_run_that_was_cut_goes_on_at_the_file_that_failed() {
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    project.write("seeds/data/users.csv", "email,name\nann@example.com,Ann\n");
    project.write(
        "seeds/data/posts.csv",
        "id,title,user.email\n1,a,ann@example.com\n2,b,bob@example.com\n",
    );
    project.write(
        "seeds/blog.yaml",
        "tables:\n- {table: User, key: [email], file: data/users.csv}\n- {table: Post, file: data/posts.csv}\n",
    );
    let failed = seed(&project, &[]).expect_code(1);
    assert!(
        failed
            .stderr
            .contains("writing the set blog: loading data/posts.csv into Post: row 2 of Post"),
        "{}",
        failed.stderr
    );
    let counts = "SELECT (SELECT count(*) FROM \"User\"), (SELECT count(*) FROM \"Post\")";
    assert_eq!(server.psql("source", counts), "1|0");
    project.write(
        "seeds/data/users.csv",
        "email,name\nann@example.com,Ann\nbob@example.com,Bob\n",
    );
    assert_eq!(
        summary(seed(&project, &[])),
        "User: 1 inserted, 1 unchanged · Post: 2 inserted"
    );
}
