#!/usr/bin/env python3
"""Backups and restores side by side with pg_dump and pg_restore, as ratios of medians.

All programs work on the same private server, one after another in each round, so that what else the machine does hits all
alike. Needs a PostgreSQL installation with its tools (ORCHESTRATOR_POSTGRES_15, or Debian's), moto where scripts/setup.sh puts it, and
the program:

    scripts/bench.py --program target/release/orchestrator [--rounds 5] [--scale 1.0] [--only dominant,many,small,documents,catalog,migrations,seeds,drills,start]
                     [--no-s3] [--pg-dump-18 PATH] [--idle idle.wasm]

Prints Markdown.
"""

import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

DATABASES = {
    # One table that is nearly everything: orders, as a shop has them.
    "dominant": """
        CREATE TABLE orders AS SELECT i AS id, (random() * 1e5)::int AS customer,
            timestamptz '2024-01-01' + (random() * 1e7)::int * interval '1 second' AS placed,
            (random() * 1000)::numeric(10, 2) AS total, md5(random()::text) AS reference,
            (ARRAY['new', 'paid', 'shipped', 'returned'])[1 + (random() * 3)::int] AS status,
            'Street ' || (random() * 1e4)::int || ', City ' || (random() * 1000)::int AS address
        FROM generate_series(1, {rows:.0f}) i;
        ALTER TABLE orders ADD PRIMARY KEY (id);
    """,
    # Forty tables of the same size, each with its keys.
    "many": """
        SELECT format('CREATE TABLE t%s AS SELECT i AS id, (random() * 1e4)::int AS parent, md5(i::text) AS name,
            timestamptz ''2024-01-01'' + i * interval ''1 minute'' AS at, random() AS weight
            FROM generate_series(1, {rows:.0f} / 40) i; ALTER TABLE t%s ADD PRIMARY KEY (id);', n, n)
        FROM generate_series(1, 40) n \\gexec
    """,
    # Five thousand tables with a few rows.
    "small": """
        SELECT format('CREATE TABLE s%s (id int PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT now());
            INSERT INTO s%s SELECT i, md5(i::text) FROM generate_series(1, 20) i;', n, n)
        FROM generate_series(1, 5000) n \\gexec
    """,
    # Documents, most of them out of line.
    "documents": """
        CREATE TABLE documents AS SELECT i AS id, jsonb_build_object('kind', i % 7, 'tags', ARRAY[i % 11, i % 13],
            'body', (SELECT string_agg(md5((i * 31 + j)::text) || ' lorem ipsum dolor sit amet ', '')
                     FROM generate_series(1, 20 + i % 100) j)) AS document
        FROM generate_series(1, {rows:.0f} / 40) i;
        ALTER TABLE documents ADD PRIMARY KEY (id);
    """,
}

# Ten thousand empty tables, each with what most have: a key, a check, a default, an index, a comment, a grant; every tenth refers
# to another one, and has a view on it.
CATALOG = """
    CREATE ROLE bench_reader;
    SELECT format('CREATE TABLE c%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT ''x'',
        amount numeric(10, 2) CHECK (amount > 0), at timestamptz DEFAULT now()); CREATE INDEX ON c%s (name, at);
        COMMENT ON TABLE c%s IS ''number %s''; GRANT SELECT ON c%s TO bench_reader;', n, n, n, n, n)
    FROM generate_series(1, 10000) n \\gexec
    SELECT format('ALTER TABLE c%s ADD other bigint REFERENCES c%s; CREATE VIEW v%s AS SELECT id, name FROM c%s WHERE other > 0;',
        n, n - 1, n, n)
    FROM generate_series(10, 10000, 10) n \\gexec
"""


class Bucket:
    """moto, with one bucket. It keeps objects in memory and is one Python process: what it costs is in its rows."""

    def __init__(self):
        cache = pathlib.Path(os.environ.get("ORCHESTRATOR_CACHE", pathlib.Path.home() / ".cache/orchestrator"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen([cache / "moto/bin/moto_server", "-p", str(port)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "any",
                            "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
        aws = [cache / "moto/bin/aws", "s3", "mb", "s3://bench"]
        for attempt in range(50):
            if subprocess.run(aws, env=dict(os.environ, **self.environment), capture_output=True).returncode == 0:
                return
            time.sleep(0.2)
        sys.exit("moto does not answer")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Server:
    """A private server that nobody else uses; root runs it as the user postgres."""

    def __init__(self, binaries):
        self.bin = pathlib.Path(binaries)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.user = []
        if os.geteuid() == 0:
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self.folder, "postgres", "postgres")
        data = str(self.folder / "data")
        self.run(self.user + [self.bin / "initdb", "-D", data, "-A", "trust", "-U", "postgres"])
        settings = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_wal_size=8GB -c shared_buffers=1GB -c max_locks_per_transaction=2048"
        self.run(self.user + [self.bin / "pg_ctl", "-D", data, "-o", settings, "-l", str(self.folder / "log"), "-w", "start"])
        # By TCP, as this program: what a socket in a folder saves would be no merit of a tool.
        self.environment = dict(os.environ, PGHOST="127.0.0.1", PGPORT=str(self.port), PGUSER="postgres")

    def run(self, command, **options):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
        if done.returncode:
            sys.exit(f"{command}: {done.stderr}")
        return done.stdout

    def psql(self, database, sql):
        return self.run([self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database], env=self.environment, input=sql)

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def stop(self):
        self.run(self.user + [self.bin / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop"])
        shutil.rmtree(self.folder)


def measure(command, environment, folder):
    """Wall seconds, and the largest resident set of the process in MiB."""
    begun = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], env=environment, cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command}: {complaint.decode()}")
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def size(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20


def raw_copy(server, database):
    """Everything through COPY TO STDOUT to nowhere on two connections, the largest table in halves of its pages."""
    tables = server.psql(database, """
        SELECT c.oid::regclass, c.relpages FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE relkind = 'r' AND nspname = 'public' ORDER BY pg_table_size(c.oid) DESC""").split()
    lanes = ["", ""]
    for number, line in enumerate(tables):
        table, pages = line.split("|")
        if number == 0 and int(pages) > 1000:
            half = int(pages) // 2
            lanes[0] += f"COPY (SELECT * FROM {table} WHERE ctid < '({half},0)') TO STDOUT;\n"
            lanes[1] += f"COPY (SELECT * FROM {table} WHERE ctid >= '({half},0)') TO STDOUT;\n"
        else:
            lanes[number % 2] += f"COPY {table} TO STDOUT;\n"
    begun = time.monotonic()
    processes = []
    for lane in lanes:
        script = tempfile.NamedTemporaryFile("w", suffix=".sql")
        script.write(lane)
        script.flush()
        command = [server.bin / "psql", "-XAtq", "-d", database, "-f", script.name]
        processes.append((subprocess.Popen(command, env=server.environment, stdout=subprocess.DEVNULL), script))
    for process, _ in processes:
        process.wait()
    return time.monotonic() - begun, 0.0


class Places:
    """A new folder, or a new database, for each thing that is measured; all of them go at the end. A file system that has just
    deleted thousands of files is slow at making others: it would be measured instead, in whoever comes next."""

    def __init__(self, server, name):
        self.server, self.root = server, server.folder / f"work-{name}"
        self.root.mkdir(mode=0o777)
        self.folders = self.databases = 0

    def folder(self):
        self.folders += 1
        folder = self.root / str(self.folders)
        folder.mkdir(mode=0o777)
        return folder

    def database(self):
        self.databases += 1
        name = f"restored_{self.databases}"
        self.server.psql("postgres", f"CREATE DATABASE {name}")
        self.server.psql("postgres", "CHECKPOINT")
        return name

    def clear(self):
        shutil.rmtree(self.root)
        for number in range(1, self.databases + 1):
            self.server.psql("postgres", f"DROP DATABASE restored_{number}")


def bench(server, name, options):
    program, rounds, jobs = options.program, options.rounds, options.jobs
    ours = dict(os.environ, DATABASE_URL=server.url(name))
    places = Places(server, name)
    results, sizes = {}, {}

    def note(what, figures):
        results.setdefault(what, []).append(figures)

    stock = [("pg_dump", server.bin / "pg_dump", []), ("pg_dump -Z1", server.bin / "pg_dump", ["-Z1"])]
    if options.pg_dump_18:
        stock.append(("pg_dump 18 -Z zstd:1", options.pg_dump_18, ["-Z", "zstd:1"]))
    for _ in range(rounds):
        for what, dump, flags in stock:
            folder = places.folder()
            archive = folder / "archive"
            command = [dump, "-Fd", f"-j{jobs}", "-f", archive, *flags, name]
            note(what, measure(command, server.environment, folder))
            sizes[what] = size(archive)
            if what == "pg_dump":
                command = [server.bin / "pg_restore", f"-j{jobs}", "-d", places.database(), archive]
                note("pg_restore", measure(command, server.environment, folder))
        for compress in ["gzip", "zstd"]:
            folder = places.folder()
            command = [program, "backup", "create", "--quiet", "--jobs", jobs, "--compress", compress]
            note(f"backup {compress}", measure(command, ours, folder))
            sizes[f"backup {compress}"] = size(folder / "backups")
            target = server.url(places.database())
            command = [program, "restore", folder / "backups", "--quiet", "--jobs", jobs, "--to", target]
            note(f"restore {compress}", measure(command, ours, folder))
        note("raw COPY", raw_copy(server, name))
        if options.no_s3:
            continue
        bucket = Bucket()
        try:
            folder = places.folder()
            (folder / "orchestrator.toml").write_text('environment = "local"\n[databases.app]\nurl = "${DATABASE_URL}"\n'
                                                      '[storage.main]\nurl = "s3://bench"\n')
            cloud = dict(ours, **bucket.environment)
            command = [program, "backup", "create", "--quiet", "--jobs", jobs]
            note("backup gzip to S3", measure(command, cloud, folder))
            target = server.url(places.database())
            command = [program, "restore", "s3://bench", "--quiet", "--jobs", jobs, "--to", target]
            note("restore gzip from S3", measure(command, cloud, folder))
        finally:
            bucket.stop()
    places.clear()

    print(f"\n### {name}: {server.psql('postgres', f'SELECT pg_size_pretty(pg_database_size({name!r}))').strip()}\n")
    print("| what | median s | ratio | peak MiB | archive MiB |\n|---|---|---|---|---|")
    for what, figures in results.items():
        median = statistics.median(seconds for seconds, _ in figures)
        base = "pg_restore" if "restore" in what else "pg_dump"
        against = statistics.median(seconds for seconds, _ in results[base])
        peak = max(memory for _, memory in figures)
        archive = f"{sizes[what]:.0f}" if what in sizes else ""
        print(f"| {what} | {median:.2f} | {median / against:.2f} | {peak:.0f} | {archive} |", flush=True)


def bench_catalog(server, options):
    """Definitions alone: reading the catalog of ten thousand tables, and writing the archive."""
    server.psql("postgres", "CREATE DATABASE catalog")
    server.psql("catalog", CATALOG)
    server.psql("catalog", "VACUUM ANALYZE")
    places = Places(server, "catalog")
    ours = dict(os.environ, DATABASE_URL=server.url("catalog"))
    results = {}
    for _ in range(options.rounds):
        folder = places.folder()
        stock = [("pg_dump -s", server.bin / "pg_dump")]
        if options.pg_dump_18:
            stock.append(("pg_dump 18 -s", options.pg_dump_18))
        for what, program in stock:
            command = [program, "-Fd", "-s", "-f", folder / what.replace(" ", "_"), "catalog"]
            results.setdefault(what, []).append(measure(command, server.environment, folder))
        command = [options.program, "backup", "create", "--quiet", "--schema-only"]
        results.setdefault("backup --schema-only", []).append(measure(command, ours, folder))
    print("\n### catalog: 10,000 tables\n\n| what | median s | ratio | peak MiB |\n|---|---|---|---|")
    against = statistics.median(seconds for seconds, _ in results["pg_dump -s"])
    for what, figures in results.items():
        median = statistics.median(seconds for seconds, _ in figures)
        peak = max(memory for _, memory in figures)
        print(f"| {what} | {median:.2f} | {median / against:.2f} | {peak:.0f} |", flush=True)
    places.clear()
    server.psql("postgres", "DROP DATABASE catalog")


def bench_migrations(server, options):
    """A thousand small migrations applied to an empty database, and where each stands afterwards."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        everything = []
        for number in range(1000):
            table, step = divmod(number, 10)
            sql = (f'CREATE TABLE "Table{table}" (id serial PRIMARY KEY, name text NOT NULL);' if step == 0 else
                   f'ALTER TABLE "Table{table}" ADD COLUMN "column{step}" text;')
            place = folder / f"migrations/2025{number:010}_step"
            place.mkdir(parents=True)
            (place / "migration.sql").write_text(sql + "\n")
            everything.append(f"BEGIN;\n{sql}\nCOMMIT;\n")
        (folder / "all.sql").write_text("".join(everything))
        ours = dict(os.environ, DATABASE_URL=server.url("migrations"), ORCHESTRATOR_ENVIRONMENT="local")

        def fresh():
            server.psql("postgres", "DROP DATABASE IF EXISTS migrations")
            server.psql("postgres", "CREATE DATABASE migrations")

        for _ in range(options.rounds):
            for what, command, environment in [
                ("psql, a transaction each", [server.bin / "psql", "-XAtq", "-f", folder / "all.sql", "migrations"], server.environment),
                ("migrate deploy", [options.program, "migrate", "deploy", "--quiet"], ours),
            ]:
                fresh()
                results.setdefault(what, []).append(measure(command, environment, folder))
            # The database is the one that was deployed last.
            command = [options.program, "migrate", "status", "--quiet"]
            results.setdefault("migrate status", []).append(measure(command, ours, folder))
    print("\n### migrations: 1,000 small ones\n\n| what | median s | fastest s | peak MiB |\n|---|---|---|---|")
    for what, figures in results.items():
        seconds = [second for second, _ in figures]
        peak = max(memory for _, memory in figures)
        print(f"| {what} | {statistics.median(seconds):.3f} | {min(seconds):.3f} | {peak:.0f} |", flush=True)
    server.psql("postgres", "DROP DATABASE migrations")


# Columns and rows of five tables, each of which refers to those before it.
SEEDS = {
    "Clinic": ("id int PRIMARY KEY, name text NOT NULL, city text",
               1_000, "n, 'Clinic ' || n, 'City ' || n % 100"),
    "Doctor": ("id int PRIMARY KEY, \"clinicId\" int NOT NULL REFERENCES \"Clinic\", name text NOT NULL, specialty text",
               19_000, "n, 1 + n % 1000, 'Dr. ' || md5(n::text), 'Specialty ' || n % 40"),
    "Patient": ("id int PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, born date",
                180_000, "n, 'patient' || n || '@example.com', md5(n::text), date '1950-01-01' + n % 20000"),
    "Visit": ("id int PRIMARY KEY, \"patientId\" int NOT NULL REFERENCES \"Patient\", \"doctorId\" int NOT NULL REFERENCES \"Doctor\", at timestamptz NOT NULL, notes text",
              500_000, "n, 1 + n % 180000, 1 + n % 19000, timestamptz '2026-01-01 UTC' + n * interval '1 minute', repeat(md5(n::text), 2)"),
    "Bill": ("id int PRIMARY KEY, \"visitId\" int NOT NULL REFERENCES \"Visit\", amount numeric(10,2) NOT NULL, paid boolean NOT NULL",
             300_000, "n, n, n % 10000 / 100.0, n % 3 = 0"),
}
# Statements of which each is a transaction of its own: few of them, and told as such.
UPSERTS = 20_000


def bench_seeds(server, options):
    """A million rows of CSV in five tables that refer to each other: into empty ones, again, and as an ORM upserts them."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "seeds/data").mkdir(parents=True)
        tables = "".join(f'CREATE TABLE "{name}" ({columns});\n' for name, (columns, _, _) in SEEDS.items())
        copies = "".join(f"\\copy \"{name}\" from '{folder}/seeds/data/{name}.csv' with (format csv, header)\n" for name in SEEDS)
        (folder / "copy.sql").write_text(copies)
        (folder / "seeds/all.toml").write_text("".join(f'[[tables]]\ntable = "{name}"\nfile = "data/{name}.csv"\n' for name in SEEDS))
        server.psql("postgres", "CREATE DATABASE seeds")
        server.psql("seeds", tables)
        for name, (_, rows, values) in SEEDS.items():
            server.psql("seeds", f'INSERT INTO "{name}" SELECT {values} FROM generate_series(1, {rows}) n')
            with open(folder / f"seeds/data/{name}.csv", "w") as file:
                file.write(server.psql("seeds", f'COPY "{name}" TO STDOUT WITH (FORMAT csv, HEADER)'))
        upserts = server.psql("seeds", f"""SELECT format('INSERT INTO "Patient" VALUES (%L, %L, %L, %L) ON CONFLICT (email) DO UPDATE SET name = excluded.name, born = excluded.born;',
            id, email, name, born) FROM "Patient" ORDER BY id LIMIT {UPSERTS}""")
        (folder / "upserts.sql").write_text(upserts)
        ours = dict(os.environ, DATABASE_URL=server.url("seeds"), ORCHESTRATOR_ENVIRONMENT="local")

        def fresh():
            server.psql("postgres", "DROP DATABASE IF EXISTS seeds")
            server.psql("postgres", "CREATE DATABASE seeds")
            server.psql("seeds", tables)
            server.psql("postgres", "CHECKPOINT")

        psql = [server.bin / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", "seeds", "-f"]
        seed = [options.program, "seed", "--quiet"]
        for _ in range(options.rounds):
            for what, command, environment in [
                ("psql \\copy, file by file", [*psql, folder / "copy.sql"], server.environment),
                ("seed", seed, ours),
            ]:
                fresh()
                results.setdefault(what, []).append(measure(command, environment, folder))
            results.setdefault("seed, a second time", []).append(measure(seed, ours, folder))
            fresh()
            results.setdefault(f"{UPSERTS:,} upserts, one by one", []).append(measure([*psql, folder / "upserts.sql"], server.environment, folder))
    # No peaks: a child of a process that has held the files begins with its size.
    print("\n### seeds: a million rows of CSV in five tables\n\n| what | median s | ratio | fastest s |\n|---|---|---|---|")
    base = statistics.median(second for second, _ in next(iter(results.values())))
    for what, figures in results.items():
        seconds = [second for second, _ in figures]
        print(f"| {what} | {statistics.median(seconds):.2f} | {statistics.median(seconds) / base:.2f} | {min(seconds):.2f} |", flush=True)
    server.psql("postgres", "DROP DATABASE seeds")


def bench_drills(server, options):
    """What a drill measures, of each kind of database: from the first read of the storage until the restored database has answered."""
    results = {}
    for name, script in DATABASES.items():
        server.psql("postgres", f"CREATE DATABASE {name}")
        server.psql(name, script.format(rows=9e6 * options.scale))
        server.psql(name, "VACUUM ANALYZE")
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "orchestrator.toml").write_text(
                f'environment = "local"\n[databases.app]\nurl = "{server.url(name)}"\n[storage.main]\nurl = "file:backups"\n'
                '[jobs.drill]\nsteps = [{ plugin = "restore", mode = "check", database = "app", queries = [\n'
                '{ name = "tables", sql = "SELECT count(*) FROM pg_class WHERE relkind = \'r\'", at_least = 1 }] }]\n')
            measure([options.program, "backup", "create", "--quiet", "--jobs", options.jobs], dict(os.environ), folder)
            archive = size(folder / "backups")
            drills = []
            for _ in range(options.rounds):
                server.psql("postgres", "CHECKPOINT")
                begun = time.monotonic()
                told = server.run([options.program, "drill", "--quiet", "--jobs", options.jobs, "--output", "json"], cwd=folder)
                proven = json.loads(told)["facts"]["proven"]
                drills.append((proven["seconds"], time.monotonic() - begun, proven["rows"]))
            results[name] = (server.psql("postgres", f"SELECT pg_size_pretty(pg_database_size({name!r}))").strip(), archive, drills)
        server.psql("postgres", f"DROP DATABASE {name}")
    print("\n### drills\n\n| database | size | rows | archive MiB | recovered s | with the comparison s |\n|---|---|---|---|---|---|")
    for name, (bytes_, archive, drills) in results.items():
        recovered, whole = (statistics.median(drill[part] for drill in drills) for part in (0, 1))
        print(f"| {name} | {bytes_} | {drills[0][2]:,} | {archive:.0f} | {recovered:.1f} | {whole:.1f} |", flush=True)


def cold_start(options):
    """From the shell to its prompt: a command that reads the log, and a recorded run of a plugin that does nothing."""
    print("\n### start\n\n| what | median ms | fastest ms |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        digest = hashlib.sha256(options.idle.read_bytes()).hexdigest()
        (folder / "orchestrator.toml").write_text(f'environment = "local"\n[plugins.idle]\nfile = "{options.idle.resolve()}"\n'
                                                  f'sha256 = "{digest}"\n[jobs.idle]\nsteps = [{{ plugin = "idle" }}]\n')
        for what, command in [("log list", ["log", "list"]), ("a plugin that does nothing", ["run", "idle"])]:
            command = [options.program, *command]
            # The first start compiles the component.
            measure(command, dict(os.environ), folder)
            times = [1000 * measure(command, dict(os.environ), folder)[0] for _ in range(20)]
            print(f"| {what} | {statistics.median(times):.0f} | {min(times):.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is about 1 GB for each of the large ones")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default=",".join([*DATABASES, "catalog", "migrations", "seeds", "drills", "start"]))
    parser.add_argument("--no-s3", action="store_true", help="folders alone: with thousands of objects, moto takes minutes")
    parser.add_argument("--pg-dump-18", type=pathlib.Path, help="one that was built with zstd")
    parser.add_argument("--idle", type=pathlib.Path, help="the component of tests/plugins/idle, for the cold start")
    options = parser.parse_args()
    installation = os.environ.get("ORCHESTRATOR_POSTGRES_15", "/usr/lib/postgresql/15")
    server = Server(pathlib.Path(installation) / "bin")
    try:
        print(f"{platform.machine()}, {os.cpu_count()} cores, PostgreSQL {server.psql('postgres', 'SHOW server_version').strip()}, "
              f"{options.rounds} rounds, {options.jobs} jobs; ratios are against pg_dump and pg_restore")
        options.program = options.program.resolve()
        for name in options.only.split(","):
            if name == "start":
                if options.idle:
                    cold_start(options)
                continue
            others = {"catalog": bench_catalog, "migrations": bench_migrations, "seeds": bench_seeds, "drills": bench_drills}
            if name in others:
                others[name](server, options)
                continue
            server.psql("postgres", f"CREATE DATABASE {name}")
            server.psql(name, DATABASES[name].format(rows=9e6 * options.scale))
            server.psql(name, "VACUUM ANALYZE")
            bench(server, name, options)
            server.psql("postgres", f"DROP DATABASE {name}")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
