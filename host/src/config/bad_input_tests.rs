//! Every mistake: file, line, key, what is wrong, what to do.

use super::*;
use crate::database::ProcessEnvironment;
use insta::assert_snapshot;
use std::path::Path;

fn refused_with(text: &str, variables: &[(&str, &str)]) -> String {
    let mut process = ProcessEnvironment::of(variables.iter().copied());
    process.user = Some("ada".to_owned());
    let sources = Sources {
        file: None,
        environment: None,
        working_folder: Path::new("/srv"),
        process: &process,
    };
    let error =
        Config::parse(text, Some(Path::new("orchestrator.toml")), &sources).expect_err(text);
    let printed = format!("{error}\n{}", error.hint);
    assert!(!printed.contains("hunter2"), "{printed}");
    printed
}

fn refused(text: &str) -> String {
    refused_with(text, &[])
}

#[test]
fn toml_itself() {
    assert_snapshot!(refused("\nenvironment = production\n"), @"
    orchestrator.toml:2: string values must be quoted, expected literal string
    see https://toml.io for how TOML is written
    ");
    assert_snapshot!(refused("[databases.app\n"), @"
    orchestrator.toml:1: unclosed table, expected `]`
    see https://toml.io for how TOML is written
    ");
    assert_snapshot!(refused("[log]\nstate = \"a\"\nstate = \"b\"\n"), @"
    orchestrator.toml:3: duplicate key
    see https://toml.io for how TOML is written
    ");
}

#[test]
fn unknown_keys() {
    assert_snapshot!(refused("\n\n[database.app]\nurl = \"x\"\n"), @r#"
    orchestrator.toml:3: unknown key "database"
    did you mean "databases"?
    "#);
    assert_snapshot!(refused("[databases.app]\nurl = \"postgres://u:hunter2@h/d\"\nuri = \"x\"\n"), @r#"
    orchestrator.toml:3: unknown key in [databases.app]: "uri"
    did you mean "url"?
    "#);
    assert_snapshot!(refused("[log]\nmark_down = \"x\"\n"), @r#"
    orchestrator.toml:2: unknown key in [log]: "mark_down"
    did you mean "markdown"?
    "#);
    assert_snapshot!(refused("[limits]\nzzz = 1\n"), @r#"
    orchestrator.toml:2: unknown key in [limits]: "zzz"
    there are: memory, deadline, grace, component, call, log, result, connections, transfers, resources, database_growth
    "#);
    assert_snapshot!(refused(&format!("[plugins.mine]\nfile = \"a\"\nsha256 = \"{}\"\n[plugins.mine.grants]\nnetwork = true\n", "0".repeat(64))), @r#"
    orchestrator.toml:5: unknown key in [plugins.mine.grants]: "network"
    there are: databases, storage, snapshots, files
    "#);
    assert_snapshot!(refused("[plugins.mine.limits]\nmemroy = \"1MiB\"\n"), @r#"
    orchestrator.toml:2: unknown key in [plugins.mine.limits]: "memroy"
    did you mean "memory"?
    "#);
}

#[test]
fn values_of_the_wrong_kind() {
    assert_snapshot!(refused("environment = \"prod\"\n"), @r#"
    orchestrator.toml:1: environment: "prod" is none of local, staging, production
    write one of local, staging, production
    "#);
    assert_snapshot!(refused("environment = 3\n"), @"
    orchestrator.toml:1: environment: expected one of local, staging, production, found a whole number
    write one of local, staging, production
    ");
    assert_snapshot!(refused("log = \"x\"\n"), @"
    orchestrator.toml:1: log: expected a table, found text
    write a table
    ");
    assert_snapshot!(refused("[storage.main]\nurl = \"s3://bucket\"\npath_style = \"yes\"\n"), @r#"
    orchestrator.toml:3: storage.main.path_style: "yes" is neither true nor false
    write true or false
    "#);
    assert_snapshot!(refused("[limits]\nmemory = \"lots\"\n"), @r#"
    orchestrator.toml:2: limits.memory: "lots" is no size
    write a whole number with a unit: 512KiB, 64MiB, 1GiB
    "#);
    assert_snapshot!(refused("[limits]\ndeadline = 30\n"), @r#"
    orchestrator.toml:2: limits.deadline: expected duration, as "90s" or "1h30m", found a whole number
    write duration, as "90s" or "1h30m"
    "#);
    assert_snapshot!(refused("[limits]\nconnections = 0\n"), @r#"
    orchestrator.toml:2: limits.connections: "0" is no whole number from 1
    write a whole number, such as 8
    "#);
    assert_snapshot!(refused("[databases.\"my db\"]\nurl = \"x\"\n"), @r#"
    orchestrator.toml:1: databases.my db: "my db" is no name
    begin with a letter, go on with letters, digits, - and _; at most 63 characters
    "#);
}

#[test]
fn variables() {
    assert_snapshot!(refused("[databases.app]\nurl = \"${DATABASE_UR}\"\n"), @"
    orchestrator.toml:2: databases.app.url: the variable DATABASE_UR is not set
    set DATABASE_UR, or give a default: ${DATABASE_UR:-…}
    ");
    assert_snapshot!(refused_with("[databases.app]\nurl = \"${DATABASE_URL}\"\n", &[("DATABASE_URL", "")]), @"
    orchestrator.toml:2: databases.app.url: it is empty
    give it a value, or leave the key out
    ");
    assert_snapshot!(refused_with("[databases.app]\nurl = \"${DB}\"\n", &[("DB", "postgres://u:hunter2@h/d?sslmod=x")]), @r#"
    orchestrator.toml:2: databases.app.url: unknown connection parameter "sslmod"
    did you mean "sslmode"?
    "#);
    assert_snapshot!(refused_with("", &[("ORCHESTRATOR_ENVIRONMENT", "prod")]), @r#"
    variable ORCHESTRATOR_ENVIRONMENT: environment: "prod" is none of local, staging, production
    write one of local, staging, production
    "#);
    assert_snapshot!(refused_with("", &[("ORCHESTRATOR_LIMITS_MEMORY", "lots")]), @r#"
    variable ORCHESTRATOR_LIMITS_MEMORY: limits.memory: "lots" is no size
    write a whole number with a unit: 512KiB, 64MiB, 1GiB
    "#);
    assert_snapshot!(refused_with("", &[("DATABASE_URL", "postgres://u:hu@nter2@h/d")]), @"
    variable DATABASE_URL: the connection URL holds an @ where none can be, as when a password is not percent-encoded
    in the user name and the password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25
    ");
}

#[test]
fn databases() {
    assert_snapshot!(refused("[databases.app]\n"), @"
    orchestrator.toml:1: databases.app: url is missing
    write url = …: secret text
    ");
    assert_snapshot!(refused("[databases.app]\nurl = \"hunter2\"\n"), @"
    orchestrator.toml:2: databases.app.url: the connection string is neither a URL nor a list of keyword=value
    write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or as host=HOST dbname=DATABASE user=USER
    ");
    assert_snapshot!(refused("[databases.app]\nurl = \"postgres://h/d\"\nurl_file = \"secret\"\n"), @"
    orchestrator.toml:3: databases.app.url_file: url is given too
    keep one of the two
    ");
    assert_snapshot!(refused("[databases.app]\nurl_file = \"nowhere/secret\"\n"), @"
    orchestrator.toml:2: databases.app.url_file: reading /srv/nowhere/secret: No such file or directory (os error 2)
    check the path, and that this user may read it
    ");
    assert_snapshot!(refused("[databases.app]\nurl = \"postgres://h/d\"\n[log]\ndatabase = \"ap\"\n"), @r#"
    orchestrator.toml:4: log.database: unknown database "ap"
    did you mean "app"?
    "#);
}

#[test]
fn storages() {
    let storage = |lines: &str| refused(&format!("[storage.main]\n{lines}\n"));
    assert_snapshot!(storage(""), @"
    orchestrator.toml:1: storage.main: url is missing
    write url = …: text
    ");
    assert_snapshot!(storage("url = \"s3://B\""), @"
    orchestrator.toml:2: storage.main.url: the bucket's name is none that S3 allows
    write s3://BUCKET/PREFIX, or file:FOLDER
    ");
    assert_snapshot!(storage("url = \"gs://bucket\""), @r#"
    orchestrator.toml:2: storage.main.url: storages of the kind "gs" are not known
    write s3://BUCKET/PREFIX, or file:FOLDER
    "#);
    assert_snapshot!(storage("url = \"s3://bucket/a/../b\""), @r#"
    orchestrator.toml:2: storage.main.url: the prefix "a/../b" holds an empty part, . or ..
    write s3://BUCKET/PREFIX, or file:FOLDER
    "#);
    assert_snapshot!(storage("url = \"file://backups\""), @"
    orchestrator.toml:2: storage.main.url: a file:// URL needs three slashes
    write file:///ABSOLUTE/FOLDER, or file:FOLDER
    ");
    assert_snapshot!(storage("url = \"backups\"\nregion = \"eu-west-1\""), @r#"
    orchestrator.toml:1: storage.main: keys that only S3 knows stand beside the URL of a folder
    leave endpoint, region, sse_kms_key, storage_class and the access key out, or write url = "s3://BUCKET/PREFIX"
    "#);
    assert_snapshot!(storage("url = \"s3://bucket\"\naccess_key = \"a\""), @"
    orchestrator.toml:1: storage.main: access_key and secret_key go together, and one of them is missing
    give both, or neither to use the AWS credential chain
    ");
    assert_snapshot!(storage("url = \"s3://bucket\"\nendpoint = \"https://u:hunter2@s3.example.org\""), @"
    orchestrator.toml:3: storage.main.endpoint: the endpoint holds credentials, which belong into access_key and secret_key
    write the API's URL, as https://s3.example.org
    ");
    assert_snapshot!(storage("url = \"s3://bucket\"\nendpoint = \"s3.example.org\""), @"
    orchestrator.toml:3: storage.main.endpoint: the endpoint is no URL
    write the API's URL, as https://s3.example.org
    ");
    assert_snapshot!(storage("url = \"s3://bucket\"\nstorage_class = \"GLACIER\""), @"
    orchestrator.toml:3: storage.main.storage_class: objects of the class GLACIER must be thawed before they can be read
    use GLACIER_IR or STANDARD_IA, and let a lifecycle rule of the bucket move old backups
    ");
}

#[test]
fn jobs() {
    let job = |steps: &str| {
        refused(&format!(
            "[databases.app]\nurl = \"postgres://h/d\"\n[jobs.nightly]\n{steps}\n"
        ))
    };
    assert_snapshot!(job(""), @"
    orchestrator.toml:3: jobs.nightly: steps is missing
    write steps = …: list of steps
    ");
    assert_snapshot!(job("steps = []"), @r#"
    orchestrator.toml:4: jobs.nightly.steps: the list is empty
    write at least one step: { plugin = "backup" }
    "#);
    assert_snapshot!(job("steps = \"backup\""), @"
    orchestrator.toml:4: jobs.nightly.steps: expected a list of steps, found text
    write a list of steps
    ");
    assert_snapshot!(job("steps = [\"backup\"]"), @"
    orchestrator.toml:4: jobs.nightly.steps[0]: expected a table { plugin = NAME, … }, found text
    write a table { plugin = NAME, … }
    ");
    assert_snapshot!(job("steps = [\n  { plugin = \"backup\" },\n  { database = \"app\" },\n]"), @r#"
    orchestrator.toml:6: jobs.nightly.steps[1]: plugin is missing
    write plugin = "backup"
    "#);
    assert_snapshot!(job("steps = [\n  { plugin = \"bakcup\" },\n]"), @r#"
    orchestrator.toml:5: jobs.nightly.steps[0]: unknown plugin "bakcup"
    did you mean "backup"?
    "#);
    assert_snapshot!(job("steps = [{ plugin = \"backup\", database = \"ap\" }]"), @r#"
    orchestrator.toml:4: jobs.nightly.steps[0]: unknown database "ap"
    did you mean "app"?
    "#);
    assert_snapshot!(job("steps = [{ plugin = \"backup\", storage = \"glacier\" }]"), @r#"
    orchestrator.toml:4: jobs.nightly.steps[0]: unknown storage "glacier"
    there are: main
    "#);
    assert_snapshot!(job("steps = [{ plugin = \"seed\", count = inf }]"), @"
    orchestrator.toml:4: jobs.nightly.steps[0]: a number is infinite or none
    write a finite number
    ");
}

#[test]
fn plugins() {
    let plugin = |lines: &str| refused(&format!("[plugins.mine]\nfile = \"a.wasm\"\n{lines}\n"));
    let digest = format!("sha256 = \"{}\"\n", "ab".repeat(32));
    assert_snapshot!(plugin(""), @"
    orchestrator.toml:1: plugins.mine: sha256 is missing
    write sha256 = …: text
    ");
    assert_snapshot!(plugin("sha256 = \"abc\""), @"
    orchestrator.toml:3: plugins.mine.sha256: this is no SHA-256 digest of 64 hexadecimal digits
    copy it from `orchestrator plugin inspect FILE`, after reading what the plugin asks for
    ");
    assert_snapshot!(plugin(&format!("{digest}grants = {{ databases = {{ app = {{ access = \"read\" }} }} }}")), @r#"
    orchestrator.toml:4: plugins.mine.grants.databases.app: unknown database "app"
    there is none yet
    "#);
    assert_snapshot!(plugin(&format!("{digest}grants = {{ storage = {{ main = {{ rights = [\"append\"] }} }} }}")), @r#"
    orchestrator.toml:4: plugins.mine.grants.storage.main.rights: "append" is none of read, write, delete
    write one of read, write, delete
    "#);
    let granted = |grants: &str| {
        refused(&format!(
            "[databases.app]\nurl = \"postgres://h/d\"\n[plugins.mine]\nfile = \"a.wasm\"\n{digest}[plugins.mine.grants]\n{grants}\n"
        ))
    };
    assert_snapshot!(granted("databases.app.tables = { \"User\" = [\"select\", \"drop\"] }"), @r#"
    orchestrator.toml:7: plugins.mine.grants.databases.app.tables.User: "drop" is none of select, insert, update, delete, truncate
    write one of select, insert, update, delete, truncate
    "#);
    assert_snapshot!(granted("databases.app.tables = { \"User\" = [] }"), @r#"
    orchestrator.toml:7: plugins.mine.grants.databases.app.tables.User: no right is granted
    name the rights, such as ["select", "insert"], or leave the table out
    "#);
    assert_snapshot!(granted("databases.app.tables = { \"a.b.c\" = [\"select\"] }"), @r#"
    orchestrator.toml:7: plugins.mine.grants.databases.app.tables.a.b.c: "a.b.c" is no name of a table: write it as the catalog has it, without quotes, `User` or `schema.table`
    name a table of the application, such as "User"
    "#);
    assert_snapshot!(granted("databases.app.tables = { User = true }"), @"
    orchestrator.toml:7: plugins.mine.grants.databases.app.tables.User: expected list of select, insert, update, delete, truncate, found true or false
    write list of select, insert, update, delete, truncate
    ");
    assert_snapshot!(granted("databases.app.tables = [\"User\"]"), @"
    orchestrator.toml:7: plugins.mine.grants.databases.app.tables: expected a table, found a list
    write a table
    ");
    assert_snapshot!(granted("databases.app = { access = \"read\", tables = { User = [\"select\"] } }"), @"
    orchestrator.toml:7: plugins.mine.grants.databases.app: access is all of the database, and tables are given too
    keep the one that the plugin asks for: see `orchestrator plugin inspect FILE`
    ");
    assert_snapshot!(granted("files = [\"a\", 3]"), @"
    orchestrator.toml:7: plugins.mine.grants.files: expected text in the list, found a whole number
    write text in the list
    ");
    assert_snapshot!(refused("[plugins.backup]\nfile = \"a.wasm\"\n"), @"
    orchestrator.toml:1: plugins.backup: this plugin is built in, and takes neither a file nor grants
    choose another name for your own plugin; limits may stay
    ");
}

#[test]
fn the_daemons_doors() {
    assert_snapshot!(refused("[daemon]\nlisten = \"localhost:80\"\n"), @r#"
    orchestrator.toml:2: daemon.listen: "localhost:80" is no address
    write an IP address and a port, as 127.0.0.1:8432 or [::1]:8432; or off
    "#);
    assert_snapshot!(refused("[daemon]\nlisten = \"0.0.0.0:80\"\n"), @"
    orchestrator.toml:2: daemon.listen: 0.0.0.0:80 can be reached from other machines, and there is no token
    run `orchestrator daemon token` and write what it prints into the file, or listen on 127.0.0.1
    ");
    assert_snapshot!(refused_with("", &[("ORCHESTRATOR_DAEMON_LISTEN", "[::]:80")]), @"
    variable ORCHESTRATOR_DAEMON_LISTEN: daemon.listen: [::]:80 can be reached from other machines, and there is no token
    run `orchestrator daemon token` and write what it prints into the file, or listen on 127.0.0.1
    ");
    assert_snapshot!(refused("[daemon.tokens.ci]\naccess = \"run\"\n"), @"
    orchestrator.toml:1: daemon.tokens.ci: sha256 is missing
    write sha256 = …: text
    ");
    assert_snapshot!(refused("[daemon.tokens.ci]\nsha256 = \"orchestrator_hunter2\"\n"), @"
    orchestrator.toml:2: daemon.tokens.ci.sha256: it is no SHA-256: 64 hexadecimal digits
    write what `orchestrator daemon token` prints; the token itself does not stand in the file
    ");
    assert_snapshot!(refused(&format!("[daemon.tokens.ci]\nsha256 = \"{0}\"\n[daemon.tokens.me]\nsha256 = \"{0}\"\n", "0a".repeat(32))), @"
    orchestrator.toml:3: daemon.tokens.me: it is the same token as ci's
    make one for each of them with `orchestrator daemon token`
    ");
    assert_snapshot!(refused("[daemon.tokens.ci]\nacces = \"run\"\n"), @r#"
    orchestrator.toml:2: unknown key in [daemon.tokens.ci]: "acces"
    did you mean "access"?
    "#);
}

#[test]
fn notify_targets() {
    let target = |rest: &str| refused(&format!("[notify.ops]\n{rest}"));
    assert_snapshot!(target("url = \"https://h/hunter2\"\n"), @r#"
    orchestrator.toml:1: notify.ops: kind is missing
    write one of webhook, slack, email
    "#);
    assert_snapshot!(target("kind = \"pager\"\n"), @r#"
    orchestrator.toml:2: notify.ops.kind: "pager" is none of webhook, slack, email
    write one of webhook, slack, email
    "#);
    assert_snapshot!(target("kind = \"slack\"\n"), @r#"
    orchestrator.toml:1: notify.ops: url is missing
    write url = …: secret text
    "#);
    assert_snapshot!(target("kind = \"webhook\"\nurl = \"hunter2\"\n"), @r#"
    orchestrator.toml:3: notify.ops.url: it is no URL
    write the address as https://HOST/PATH
    "#);
    assert_snapshot!(target("kind = \"webhook\"\nurl = \"https://h/hunter2\"\nto = [\"a@b\"]\n"), @r#"
    orchestrator.toml:1: notify.ops: to is no key of the kind webhook
    a webhook has url or url_file, and headers
    "#);
    assert_snapshot!(target("kind = \"webhook\"\nurl = \"https://h/hunter2\"\non = [\"faild\"]\n"), @r#"
    orchestrator.toml:4: notify.ops.on: "faild" is none of started, succeeded, warned, failed, missed, recovered
    write one of started, succeeded, warned, failed, missed, recovered
    "#);
    assert_snapshot!(target("kind = \"webhook\"\nurl = \"https://h/hunter2\"\nheaders = { A = \"hunter2\\n\" }\n"), @r#"
    orchestrator.toml:4: notify.ops.headers.A: the value holds a line break or another control character
    write it on one line
    "#);
    assert_snapshot!(target("kind = \"email\"\nserver = \"smtp://u:hunter2@h\"\nfrom = \"a@b.org\"\nto = [\"a@b.org\"]\n"), @r#"
    orchestrator.toml:3: notify.ops.server: the server's URL holds a login
    write it as user and password, or password_file
    "#);
    assert_snapshot!(target("kind = \"email\"\nserver = \"smtp://mail\"\nuser = \"u\"\npassword = \"hunter2\"\nfrom = \"a@b.org\"\nto = [\"a@b.org\"]\n"), @r#"
    orchestrator.toml:1: notify.ops: the password would travel unencrypted
    write server = "smtp+starttls://HOST" or "smtps://HOST"
    "#);
    assert_snapshot!(target("kind = \"email\"\nserver = \"smtps://mail\"\nuser = \"u\"\nfrom = \"a@b.org\"\nto = [\"a@b.org\"]\n"), @r#"
    orchestrator.toml:1: notify.ops: user and password go together, and one of them is missing
    give both, or neither for a server that asks for none
    "#);
    assert_snapshot!(target("kind = \"email\"\nserver = \"smtps://mail\"\nfrom = \"nobody\"\nto = [\"a@b.org\"]\n"), @r#"
    orchestrator.toml:4: notify.ops.from: "nobody" is no e-mail address
    write NAME@HOST, or Name <NAME@HOST>
    "#);
    assert_snapshot!(target("kind = \"email\"\nserver = \"smtps://mail\"\nfrom = \"a@b.org\"\nto = []\n"), @r#"
    orchestrator.toml:5: notify.ops.to: it is empty
    write the address of whoever gets the message
    "#);
    assert_snapshot!(target("kind = \"slack\"\nurl = \"https://h/hunter2\"\nurll = \"x\"\n"), @r#"
    orchestrator.toml:4: unknown key in [notify.ops]: "urll"
    did you mean "url"?
    "#);
}
