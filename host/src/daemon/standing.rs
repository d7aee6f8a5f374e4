//! What the log's database says of schedules and jobs, for HTTP and metrics: read over a connection of its own, now and then, for all who
//! ask. While the database is away, they hear what it said last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::claims::{self, Server, Standing};
use super::latest::{Latest, Told};
use crate::deployment_log::LastRuns;
use crate::failure::Failure;
use crate::jobs::Project;

/// How old the answer about fires may be. An index knows it.
const FIRES_KEPT: Duration = Duration::from_secs(5);
/// The answer about runs: thousands of rows are looked at for it.
const RUNS_KEPT: Duration = Duration::from_secs(20);
/// How long somebody waits who asks; Prometheus gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// By the names of the schedules.
pub(super) type Fires = BTreeMap<String, Standing>;

/// Who looks.
#[derive(Default)]
pub(super) struct Observatory(Mutex<Option<View>>);

/// What was seen in one database.
#[derive(Clone)]
struct View {
    project: Arc<Project>,
    server: Arc<Server>,
    fires: Arc<Latest<Fires>>,
    runs: Arc<Latest<LastRuns>>,
}

impl Observatory {
    /// How far the schedules have come.
    pub async fn fires(&self, project: &Arc<Project>) -> Told<Fires> {
        let view = self.view(project);
        let server = view.server;
        let read = |before: Option<Fires>| async move {
            let mut fires = claims::standing(&server).await?;
            for (name, before) in before.into_iter().flatten() {
                if let Some(standing) = fires.get_mut(&name) {
                    standing.keep(before);
                }
            }
            Ok::<_, Failure>(fires)
        };
        view.fires.ask(PATIENCE, read).await
    }

    /// How the jobs stand, whichever machine has run them.
    pub async fn runs(&self, project: &Arc<Project>) -> Told<LastRuns> {
        let view = self.view(project);
        let server = view.server;
        let read = |before: Option<LastRuns>| async move {
            let mut answers = Vec::new();
            for query in LastRuns::queries() {
                answers.push(server.query(&query, &[]).await?);
            }
            let mut runs = LastRuns::of_rows(&answers);
            runs.merge(before.unwrap_or_default());
            Ok::<_, Failure>(runs)
        };
        view.runs.ask(PATIENCE, read).await
    }

    /// After a reload the connection is another one; what was seen stays, where it is the same database.
    fn view(&self, project: &Arc<Project>) -> View {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.as_mut() {
            Some(view) if Arc::ptr_eq(&view.project, project) => {}
            Some(view) if place(&view.project) == place(project) => {
                view.project = project.clone();
                view.server = Arc::new(Server::new(project.clone(), claims::PATIENCE));
            }
            _ => *known = None,
        }
        let view = known.get_or_insert_with(|| View {
            project: project.clone(),
            server: Arc::new(Server::new(project.clone(), claims::PATIENCE)),
            fires: Latest::new(FIRES_KEPT),
            runs: Latest::new(RUNS_KEPT),
        });
        view.clone()
    }
}

/// Which database the log is in.
fn place(project: &Project) -> Option<(String, &str)> {
    let config = &project.config;
    let binding = config.databases.get(config.log.database.as_ref()?)?;
    let settings = &binding.settings;
    Some((settings.places(), settings.database.as_str()))
}
