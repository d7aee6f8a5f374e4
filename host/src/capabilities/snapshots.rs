//! `snapshots`: the managed server that a database is on, and what its provider keeps of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use manifest::SnapshotRight;
use wasmtime::component::Resource;

use super::context::StepContext;
use super::v0_1_0::orchestrator::plugin::snapshots::{
    Host, HostManagedServer, Kind, Origin, Server, Settings, Snapshot,
};
use crate::failure::{Failure, FailureKind};
use crate::snapshots::{self, NewServer, ServerKind};

/// What a plugin holds as a `managed-server`.
pub struct ManagedServer {
    binding: String,
    server: Arc<dyn snapshots::ManagedServer>,
    /// Names of servers that this step began: the only others that it may look at.
    restored: BTreeSet<String>,
}

/// As the API documents it: letters, digits and single hyphens, a letter first, no hyphen last.
const NAME_MAX: usize = 255;
const TAGS_MAX: usize = 50;

impl StepContext {
    fn server(
        &self,
        held: &Resource<ManagedServer>,
        right: SnapshotRight,
    ) -> Result<Arc<dyn snapshots::ManagedServer>, Failure> {
        let held = self.held(held)?;
        self.grants.snapshots(&held.binding, right)?;
        Ok(held.server.clone())
    }

    /// No tag but this: others may be what the account's own policies go by. What a pin keeps from being deleted is for those to say who
    /// may delete.
    async fn tag_pin(
        &mut self,
        held: &Resource<ManagedServer>,
        name: &str,
        reason: Option<&str>,
    ) -> Result<(), Failure> {
        let server = self.server(held, SnapshotRight::Delete)?;
        let tagged = server.tag(name, snapshots::PIN, reason);
        self.stop.race(tagged).await
    }
}

impl Host for StepContext {
    async fn open(&mut self, database: String) -> Result<Resource<ManagedServer>, Failure> {
        self.grants.any_snapshots(&database)?;
        let server = self.bindings.servers.get(&database).cloned();
        let server = server.ok_or_else(|| {
            Failure::new(
                FailureKind::Unsupported,
                format!("the database {database} is on no server that a provider manages"),
            )
        })?;
        self.keep(ManagedServer {
            binding: database,
            server,
            restored: BTreeSet::new(),
        })
    }
}

impl HostManagedServer for StepContext {
    async fn name(&mut self, held: Resource<ManagedServer>) -> wasmtime::Result<String> {
        Ok(self.table.get(&held)?.server.name().to_owned())
    }

    async fn describe(&mut self, held: Resource<ManagedServer>) -> Result<Server, Failure> {
        let server = self.server(&held, SnapshotRight::Read)?;
        let found = self.stop.race(server.describe()).await?;
        Ok(described(found))
    }

    async fn list(&mut self, held: Resource<ManagedServer>) -> Result<Vec<Snapshot>, Failure> {
        let server = self.server(&held, SnapshotRight::Read)?;
        let found = self.stop.race(server.list()).await?;
        Ok(found.into_iter().map(told).collect())
    }

    async fn get(
        &mut self,
        held: Resource<ManagedServer>,
        name: String,
    ) -> Result<Option<Snapshot>, Failure> {
        let server = self.server(&held, SnapshotRight::Read)?;
        let found = self.stop.race(server.get(&name)).await?;
        Ok(found.map(told))
    }

    async fn create(
        &mut self,
        held: Resource<ManagedServer>,
        name: String,
        tags: Vec<(String, String)>,
    ) -> Result<Snapshot, Failure> {
        let server = self.server(&held, SnapshotRight::Create)?;
        check_name("snapshot", &name)?;
        check_tags(&tags)?;
        let made = self.stop.race(server.create(&name, &tags)).await?;
        Ok(told(made))
    }

    async fn delete(&mut self, held: Resource<ManagedServer>, name: String) -> Result<(), Failure> {
        let server = self.server(&held, SnapshotRight::Delete)?;
        self.stop.race(server.delete(&name)).await
    }

    async fn pin(
        &mut self,
        held: Resource<ManagedServer>,
        name: String,
        reason: String,
    ) -> Result<(), Failure> {
        self.tag_pin(&held, &name, Some(&reason)).await
    }

    async fn unpin(&mut self, held: Resource<ManagedServer>, name: String) -> Result<(), Failure> {
        self.tag_pin(&held, &name, None).await
    }

    async fn restore(
        &mut self,
        held: Resource<ManagedServer>,
        origin: Origin,
        name: String,
        settings: Settings,
        tags: Vec<(String, String)>,
    ) -> Result<Server, Failure> {
        let server = self.server(&held, SnapshotRight::Restore)?;
        check_name("server", &name)?;
        check_tags(&tags)?;
        let origin = match origin {
            Origin::Snapshot(name) => snapshots::Origin::Snapshot(name),
            Origin::Latest => snapshots::Origin::Latest,
            Origin::PointInTime(time) => snapshots::Origin::PointInTime(
                i64::try_from(time)
                    .ok()
                    .and_then(|time| Timestamp::from_millisecond(time).ok())
                    .ok_or_else(|| Failure::invalid_input("the moment is beyond all calendars"))?,
            ),
        };
        let new = NewServer {
            name: name.clone(),
            class: settings.class,
            subnet_group: settings.subnet_group,
            security_groups: settings.security_groups,
            parameter_group: settings.parameter_group,
            tags,
        };
        let made = self.stop.race(server.restore(&origin, &new)).await?;
        self.table
            .get_mut(&held)
            .map_err(|error| Failure::internal(error.to_string()))?
            .restored
            .insert(name);
        Ok(described(made))
    }

    async fn restored(
        &mut self,
        held: Resource<ManagedServer>,
        name: String,
    ) -> Result<Server, Failure> {
        let server = self.server(&held, SnapshotRight::Restore)?;
        if !self.held(&held)?.restored.contains(&name) {
            return Err(Failure::refused(format!(
                "the server {name:?} is none that this step began"
            )));
        }
        let found = self.stop.race(server.restored(&name)).await?;
        Ok(described(found))
    }

    async fn drop(&mut self, held: Resource<ManagedServer>) -> wasmtime::Result<()> {
        self.table.delete(held)?;
        Ok(())
    }
}

/// What RDS would refuse with less to go on.
fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if plain && begins && !name.ends_with('-') && !name.contains("--") && name.len() <= NAME_MAX {
        return Ok(());
    }
    Err(
        Failure::invalid_input(format!("{name:?} is no name for a {what}"))
            .hint("letters, digits and single hyphens, a letter first"),
    )
}

fn check_tags(tags: &[(String, String)]) -> Result<(), Failure> {
    if tags.len() <= TAGS_MAX {
        return Ok(());
    }
    Err(Failure::limit(format!(
        "{} tags, and {TAGS_MAX} is the most",
        tags.len()
    )))
}

fn milliseconds(time: Option<Timestamp>) -> Option<u64> {
    u64::try_from(time?.as_millisecond()).ok()
}

fn described(server: snapshots::Server) -> Server {
    Server {
        name: server.name,
        kind: match server.kind {
            ServerKind::Instance => Kind::Instance,
            ServerKind::Cluster => Kind::Cluster,
        },
        status: server.status,
        engine: server.engine,
        version: server.version,
        host: server.host,
        port: server.port,
        earliest_restorable: milliseconds(server.earliest_restorable),
        latest_restorable: milliseconds(server.latest_restorable),
        encrypted: server.encrypted,
    }
}

fn told(snapshot: snapshots::Snapshot) -> Snapshot {
    Snapshot {
        name: snapshot.name,
        server: snapshot.server,
        status: snapshot.status,
        percent: snapshot.percent,
        created: milliseconds(snapshot.created),
        gibibytes: snapshot.gibibytes,
        engine: snapshot.engine,
        version: snapshot.version,
        automatic: snapshot.automatic,
        encrypted: snapshot.encrypted,
        tags: snapshot.tags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_the_provider_takes_them() {
        for good in ["a", "app-2026-01-17t02-00-00z-1f2e", "A1"] {
            assert!(check_name("snapshot", good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "-a", "a-", "a--b", "a_b", "rds:a", "a/b", "ä"] {
            assert!(check_name("snapshot", bad).is_err(), "{bad}");
        }
    }
}
