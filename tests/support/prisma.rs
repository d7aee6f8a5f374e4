//! Prisma's own command line, in a project's folder: what `_prisma_migrations` means is what it says.

use std::path::PathBuf;
use std::process::Command;

use crate::project::exit_code;
use crate::{Outcome, Project, cache_folder};

/// As a team would have it, but for the engine: the JavaScript one.
const CONFIG: &str = r#"import { defineConfig } from "prisma/config";
import { PrismaPg } from "@prisma/adapter-pg";

export default defineConfig({
  experimental: { adapter: true },
  engine: "js",
  schema: "prisma/schema.prisma",
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL }),
});
"#;

const SCHEMA: &str = r#"datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL")
}
"#;

/// Prisma for one database, with the migrations in the project's `prisma/migrations`.
#[derive(Debug)]
pub struct Prisma {
    folder: PathBuf,
    url: String,
}

impl Prisma {
    /// Puts its configuration into the project.
    pub fn new(project: &Project, url: &str) -> Self {
        let installed = cache_folder().join("prisma/node_modules");
        assert!(
            installed.exists(),
            "{} is missing: run `make setup`",
            installed.display()
        );
        project.write("prisma.config.ts", CONFIG);
        project.write("prisma/schema.prisma", SCHEMA);
        std::os::unix::fs::symlink(installed, project.path().join("node_modules"))
            .expect("a link in a temporary folder");
        Self {
            folder: project.path().to_owned(),
            url: url.to_owned(),
        }
    }

    /// Runs `prisma migrate …`.
    pub fn migrate(&self, arguments: &[&str]) -> Outcome {
        // Any program will do where the binary engines would be.
        let engines = [
            "QUERY_ENGINE_LIBRARY",
            "QUERY_ENGINE_BINARY",
            "SCHEMA_ENGINE_BINARY",
        ];
        let output = Command::new("node")
            .args(["node_modules/prisma/build/index.js", "migrate"])
            .args(arguments)
            .env("DATABASE_URL", &self.url)
            .env("CHECKPOINT_DISABLE", "1")
            .env("PRISMA_HIDE_UPDATE_MESSAGE", "1")
            .envs(engines.map(|engine| (format!("PRISMA_{engine}"), "/bin/true")))
            .current_dir(&self.folder)
            .output()
            .expect("node runs");
        Outcome {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: exit_code(output.status),
        }
    }
}
