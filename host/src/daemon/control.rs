//! What HTTP and metrics ask of the daemon: the one trait between them.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::HttpSettings;
use crate::deployment_log::{LastRuns, Status, Trigger};
use crate::failure::Failure;
use crate::jobs::Project;
use crate::transfer::meter::Snapshot;

/// The daemon, as seen from its doors.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// The configuration and the log as they are now: another one after a reload.
    fn project(&self) -> Arc<Project>;

    /// Who is answered, as the configuration says now.
    fn http_settings(&self) -> HttpSettings;

    /// Every schedule, and the files that could not be read. While the log's database is away, fires are as it told them last.
    async fn schedules(&self) -> Schedules;

    /// What the log's database says of jobs.
    async fn jobs(&self) -> Jobs;

    /// Where schedules put backups: the storage's binding, and the database's name on its server.
    fn expected_backups(&self) -> BTreeSet<(String, String)>;

    /// The runs that this daemon has under way.
    fn running(&self) -> Vec<RunningRun>;

    /// Runs that wait for their turn.
    fn queued(&self) -> usize;

    /// What happens from now on. A receiver that is too slow loses the oldest, and is told how many.
    fn events(&self) -> broadcast::Receiver<Event>;

    /// Records a run and starts it in the background, with nobody's consent to anything. `NotFound` without such a job
    /// or target of notices, `LimitExceeded` when too many wait, `Unavailable` when the daemon is stopping.
    async fn trigger(&self, asked: Asked) -> Result<Uuid, Failure>;

    /// Asks a run to end; `NotFound` when this daemon does not run it.
    fn cancel(&self, run: Uuid) -> Result<(), Failure>;

    /// How the daemon is.
    async fn health(&self) -> Health;
}

/// A run that somebody asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The job.
    pub job: String,
    /// For every step that has them.
    pub parameters: Map<String, Value>,
    /// Who is told of it: names below `[notify]`.
    pub notify: Vec<String>,
    /// Who asks.
    pub actor: String,
}

/// What the log's database says of jobs, and whether it answers.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    /// Whether it answered the last time that it was asked.
    pub is_up: bool,
    /// As it said last.
    pub runs: LastRuns,
}

/// What the daemon knows of its schedules.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Schedules {
    /// In the order of their names.
    pub schedules: Vec<ScheduleStatus>,
    /// Each file that could not be read, in one sentence. What it said before still holds.
    pub problems: Vec<String>,
    /// Why what is told of fires may be old, or is not known yet: the database of the log does not answer.
    pub incomplete: Option<String>,
}

/// A schedule, when it fires, and how it went.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ScheduleStatus {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The job that it runs.
    pub job: String,
    /// The cron expression.
    pub cron: String,
    /// The same in words.
    pub words: String,
    /// The IANA name of the zone that the expression is meant in.
    pub time_zone: String,
    /// Whether it fires at all.
    pub enabled: bool,
    /// The next fires, soonest first; a few of them.
    #[schema(value_type = Vec<String>)]
    pub next: Vec<Timestamp>,
    /// The first fire that no daemon has answered for yet: the next one, or one in the past that is overdue.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due: Option<Timestamp>,
    /// The last fire, whichever daemon took it.
    pub last: Option<Fire>,
    /// Fires that nobody took when they were due, since the log knows this schedule; null until its database has answered.
    pub missed: Option<u64>,
}

/// A fire that was taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fire {
    /// When it was due.
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
    /// How its run ended; `running` until then.
    #[schema(value_type = String)]
    pub status: Status,
    /// Its run; none where the fire was skipped.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub run: Option<Uuid>,
}

/// A run under way.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RunningRun {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    pub run: Uuid,
    /// Its job.
    pub job: String,
    /// What set it off.
    #[schema(value_type = String)]
    pub trigger: Trigger,
    /// The schedule that did.
    pub schedule: Option<String>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// What it does now; none before its first step.
    pub step: Option<StepProgress>,
}

/// The step of a run that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepProgress {
    /// Counts from 0.
    pub index: usize,
    /// Steps of the run.
    pub count: usize,
    /// The step's plugin.
    pub plugin: String,
    /// In a few words.
    pub phase: String,
    /// Moved so far, before compression.
    pub bytes: u64,
    /// In total; 0 when unknown.
    pub expected_bytes: u64,
    /// Read so far.
    pub rows: u64,
    /// Tables and other things that are finished.
    pub items: u64,
    /// In total.
    pub expected_items: u64,
}

impl StepProgress {
    /// A moment of a step.
    pub fn of(index: usize, count: usize, plugin: &str, moment: Snapshot) -> Self {
        Self {
            index,
            count,
            plugin: plugin.to_owned(),
            phase: moment.phase,
            bytes: moment.bytes,
            expected_bytes: moment.expected_bytes,
            rows: moment.rows,
            items: moment.items,
            expected_items: moment.expected_items,
        }
    }
}

/// Something that happened to a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Event {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    pub run: Uuid,
    /// Its job.
    pub job: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What.
    #[serde(rename = "event")]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum What {
    /// The run began.
    Started {
        /// What set it off.
        #[schema(value_type = String)]
        trigger: Trigger,
        /// The schedule that did.
        schedule: Option<String>,
    },
    /// A step began.
    StepBegan {
        /// Counts from 0.
        index: usize,
        /// Steps of the run.
        count: usize,
        /// Its plugin.
        plugin: String,
    },
    /// A step goes on; about once a second.
    Progress {
        /// How far it is.
        step: StepProgress,
    },
    /// A step is over.
    StepEnded {
        /// Counts from 0.
        index: usize,
        /// How it ended.
        #[schema(value_type = String)]
        status: Status,
    },
    /// The run is over.
    Ended {
        /// How it ended.
        #[schema(value_type = String)]
        status: Status,
    },
}

impl What {
    /// The name of the event in a stream.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::StepBegan { .. } => "step-began",
            Self::Progress { .. } => "progress",
            Self::StepEnded { .. } => "step-ended",
            Self::Ended { .. } => "ended",
        }
    }
}

/// How the daemon is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// The clock's loop has turned lately.
    pub alive: bool,
    /// The configuration is read, the log's database is reachable, and the daemon is not stopping.
    pub ready: bool,
    /// Why it is not alive or not ready, each in one sentence.
    pub reasons: Vec<String>,
}
