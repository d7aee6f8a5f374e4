//! Managed servers, and the snapshots that their provider keeps of them: one trait, and AWS RDS.

mod rds;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::failure::Failure;
pub use rds::RdsSettings;

/// What a provider calls one machine, or several on one storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// One server.
    Instance,
    /// A storage and the servers on it.
    Cluster,
}

impl ServerKind {
    /// The word of the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Cluster => "cluster",
        }
    }
}

/// The tag of a snapshot that stays, whatever a policy says. Its value is the reason; whoever sets it by other means pins, too.
pub const PIN: &str = "orchestrator:pin";

/// A server as its provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Unique within an account and a region.
    pub name: String,
    /// One machine, or several.
    pub kind: ServerKind,
    /// In the provider's words: `available`.
    pub status: String,
    /// `postgres`, `aurora-postgresql`.
    pub engine: String,
    /// Of PostgreSQL.
    pub version: String,
    /// Where it listens, once it does.
    pub host: Option<String>,
    /// Where it listens, once it does.
    pub port: Option<u16>,
    /// The oldest moment that it can be brought back to.
    pub earliest_restorable: Option<Timestamp>,
    /// The newest one.
    pub latest_restorable: Option<Timestamp>,
    /// Its disk.
    pub encrypted: bool,
}

/// A snapshot as its provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Unique within an account and a region.
    pub name: String,
    /// What it is of.
    pub server: String,
    /// In the provider's words: `creating`, `available`, `failed`.
    pub status: String,
    /// 0 to 100, while it is created.
    pub percent: Option<u8>,
    /// Once it is whole.
    pub created: Option<Timestamp>,
    /// The size of the server's disk.
    pub gibibytes: u32,
    /// `postgres`, `aurora-postgresql`.
    pub engine: String,
    /// Of PostgreSQL.
    pub version: String,
    /// The provider makes and deletes it by itself.
    pub automatic: bool,
    /// Its bytes.
    pub encrypted: bool,
    /// Names and values.
    pub tags: Vec<(String, String)>,
}

impl Snapshot {
    /// The value of a tag.
    pub fn tag(&self, wanted: &str) -> Option<&str> {
        let mut tags = self.tags.iter();
        tags.find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    }

    /// Why it is pinned, which may be empty; `None` when it is not.
    pub fn pin(&self) -> Option<&str> {
        self.tag(PIN)
    }
}

/// What a new server is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By its name.
    Snapshot(String),
    /// A moment of the past.
    PointInTime(Timestamp),
    /// The newest moment that there is.
    Latest,
}

/// A server to be. What is left out is as with the server that is restored, while that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewServer {
    /// Unique within an account and a region.
    pub name: String,
    /// The size of machine: `db.r6g.large`.
    pub class: Option<String>,
    /// The network that it is in.
    pub subnet_group: Option<String>,
    /// Who reaches it; ids.
    pub security_groups: Vec<String>,
    /// PostgreSQL's settings.
    pub parameter_group: Option<String>,
    /// Names and values.
    pub tags: Vec<(String, String)>,
}

/// One server at a provider. Whatever is begun goes on there; nothing here waits for its end.
#[async_trait]
pub trait ManagedServer: Send + Sync {
    /// What the configuration calls it.
    fn name(&self) -> &str;

    /// What it is now. `NotFound` when it is not there (any more).
    async fn describe(&self) -> Result<Server, Failure>;

    /// Its snapshots, the newest first.
    async fn list(&self) -> Result<Vec<Snapshot>, Failure>;

    /// One of its snapshots; `None` when there is none of that name. `Refused` when that is of another server.
    async fn get(&self, name: &str) -> Result<Option<Snapshot>, Failure>;

    /// Begins a snapshot. `Conflict` while the server's status does not allow it.
    async fn create(&self, name: &str, tags: &[(String, String)]) -> Result<Snapshot, Failure>;

    /// Deletes a snapshot of this server. Those that the provider makes by itself are refused.
    async fn delete(&self, name: &str) -> Result<(), Failure>;

    /// Sets a tag of a snapshot of this server; without a value, takes it off. `InvalidInput` for what the provider keeps in no tag.
    async fn tag(&self, name: &str, tag: &str, value: Option<&str>) -> Result<(), Failure>;

    /// Begins another server.
    async fn restore(&self, origin: &Origin, new: &NewServer) -> Result<Server, Failure>;

    /// How far a server is that `restore` began.
    async fn restored(&self, name: &str) -> Result<Server, Failure>;
}

/// A client for the server that the settings name. Nothing is asked of the provider yet.
pub async fn open(settings: &RdsSettings) -> Arc<dyn ManagedServer> {
    rds::open(settings).await
}

/// `Refused` unless the snapshot is of this server and made by hand.
fn deletable(snapshot: &Snapshot) -> Result<(), Failure> {
    if snapshot.automatic {
        return Err(Failure::refused(format!(
            "the snapshot {} is one of the provider's own schedule",
            snapshot.name
        ))
        .hint("it goes when the backup retention period of the server has passed"));
    }
    Ok(())
}
