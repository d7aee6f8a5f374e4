//! The roles that a step's plugin connects as, where it asks for tables: made before it, dropped after it however it ends.
//!
//! A dry run has them too, for it runs the same plugin. It writes no journal, so what a dry run that is killed leaves behind goes when its time
//! is over and the next role is made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracing::warn;

use super::plan::PlannedStep;
use super::step::note;
use crate::capabilities::Bindings;
use crate::database::{
    self, ConnectionSettings, RunRole, RunRoleError, RunRoleMaker, RunRoleOrder, run_role_name,
};
use crate::deployment_log::{RunGuard, RunRecord};
use crate::failure::Failure;
use crate::plugins::grants::Tables;

/// The fact of a run that lists them.
const FACT: &str = "database-roles";

/// For what comes after the deadline and the grace: the last session is closed, the role is dropped.
const AFTER_THE_END: Duration = Duration::from_secs(60);

/// Those of one step.
pub(super) struct RunRoles<'a> {
    guard: Option<&'a Arc<RunGuard>>,
    taken: Vec<Taken>,
}

/// A name that was taken, and who drops the role that has it.
struct Taken {
    operator: ConnectionSettings,
    name: String,
    /// The server has answered. Until then the role may still come to be, after its name was looked for in vain.
    is_settled: bool,
}

/// How long a role is waited for whose making was cut, and how often it is looked for.
const LATE: Duration = Duration::from_secs(3);
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Whether a fact is this program's to tell, and not a plugin's.
pub(super) fn is_own_fact(key: &str) -> bool {
    key.replace('_', "-") == FACT
}

impl<'a> RunRoles<'a> {
    /// None yet. Without a journal nobody finds them after a crash.
    pub fn new(guard: Option<&'a Arc<RunGuard>>) -> Self {
        Self {
            guard,
            taken: Vec::new(),
        }
    }

    /// Makes a role for each database of which the step may use tables alone, and binds the database's name to it. Where that is not allowed,
    /// the name stays bound as it is, and the record says so.
    pub async fn take(
        &mut self,
        step: &PlannedStep,
        record: &mut RunRecord,
        bindings: &mut Bindings,
    ) -> Result<(), Failure> {
        let plugin = &step.plugin.manifest.name;
        for (binding, tables) in step.grants.tables() {
            let Some(settings) = bindings.databases.get_mut(binding) else {
                continue;
            };
            let made = self.make(step, record, binding, settings, tables).await?;
            let (user, beyond) = match made {
                Ok(role) => {
                    self.warn_of_row_security(record, plugin, binding, &role);
                    *settings = role.settings;
                    (&settings.user, Some(role.beyond))
                }
                Err(reason) => {
                    let operator = &settings.user;
                    self.warn(record, format!(
                        "the plugin {plugin} uses the database {binding} as {operator}, not as a role of its own: {reason}; \
                         so the server does not keep it to the tables that it was granted, and nothing but the checks of this program does"
                    ));
                    (operator, None)
                }
            };
            self.tell(record, json!({
                "plugin": plugin, "database": binding, "role": user, "made": beyond.is_some(), "beyond": beyond,
            }));
        }
        Ok(())
    }

    /// The role, or why there can be none.
    async fn make(
        &mut self,
        step: &PlannedStep,
        record: &RunRecord,
        binding: &str,
        operator: &ConnectionSettings,
        tables: &Tables,
    ) -> Result<Result<RunRole, String>, Failure> {
        let maker = match RunRoleMaker::connect(operator, tables).await {
            Ok(maker) => maker,
            Err(error) => return refusal(error, step, binding),
        };
        let name = run_role_name(record.run_id, told(record).len() + 1);
        if let Some(guard) = self.guard {
            guard.role(binding, &operator.redacted(), &name)?;
        }
        self.taken.push(Taken {
            operator: operator.clone(),
            name: name.clone(),
            is_settled: false,
        });
        let limits = &step.grants.limits;
        let order = RunRoleOrder {
            name: &name,
            connections: limits.connections,
            lifetime: limits
                .deadline
                .saturating_add(limits.grace)
                .saturating_add(AFTER_THE_END),
        };
        let made = maker.make(&order).await;
        if let Some(taken) = self.taken.last_mut() {
            taken.is_settled = !matches!(made, Err(RunRoleError::Database(_)));
        }
        let error = match made {
            Ok(role) => return Ok(Ok(role)),
            Err(error) => error,
        };
        if matches!(error, RunRoleError::NotAllowed(_))
            && let Some(taken) = self.taken.pop()
            && let Some(leftover) = self.drop(&taken).await
        {
            // Now, and not at the end: the step may be long.
            warn!("{leftover}");
        }
        refusal(error, step, binding)
    }

    /// Drops them; what could not be dropped, in a sentence each.
    pub async fn close(self) -> Vec<String> {
        let mut leftovers = Vec::new();
        for taken in &self.taken {
            leftovers.extend(self.drop(taken).await);
        }
        leftovers
    }

    async fn drop(&self, taken: &Taken) -> Option<String> {
        let Taken {
            operator,
            name,
            is_settled,
        } = taken;
        let began = Instant::now();
        loop {
            match database::drop_run_role(operator, name).await {
                Ok(is_dropped) if is_dropped || *is_settled => {
                    note(self.guard, |guard| guard.role_closed(name));
                    return None;
                }
                Ok(_) if began.elapsed() < LATE => tokio::time::sleep(BETWEEN_LOOKS).await,
                // It stays in the journal: the next start looks once more.
                Ok(_) => return None,
                Err(error) => {
                    return Some(format!(
                        "could not drop the role {name} on {}: {error}; the next start tries again",
                        operator.places()
                    ));
                }
            }
        }
    }

    /// A policy hides rows without an error: a plugin that reads or changes them finds fewer than there are.
    fn warn_of_row_security(
        &self,
        record: &mut RunRecord,
        plugin: &str,
        binding: &str,
        role: &RunRole,
    ) {
        if role.row_security.is_empty() {
            return;
        }
        let tables: Vec<String> = role.row_security.iter().map(ToString::to_string).collect();
        self.warn(record, format!(
            "row security is on for {} of the database {binding}: the plugin {plugin} sees and changes only rows that a policy for PUBLIC shows it",
            tables.join(", ")
        ));
    }

    fn warn(&self, record: &mut RunRecord, warning: String) {
        note(self.guard, |guard| guard.warning(&warning));
        record.warnings.push(warning);
    }

    fn tell(&self, record: &mut RunRecord, role: Value) {
        let mut all = told(record).to_vec();
        all.push(role);
        note(self.guard, |guard| {
            guard.fact(FACT, Value::from(all.clone()))
        });
        record.facts.set(FACT, Value::from(all));
    }
}

/// Without a role the step may go on where none is allowed, and nowhere else.
fn refusal<T>(
    error: RunRoleError,
    step: &PlannedStep,
    binding: &str,
) -> Result<Result<T, String>, Failure> {
    let plugin = &step.plugin.manifest.name;
    let failure = match error {
        RunRoleError::NotAllowed(reason) => return Ok(Err(reason)),
        RunRoleError::NoSuchTable { table, nearest } => {
            let failure = Failure::not_found(format!(
                "the plugin {plugin} uses the table {table}, and the database {binding} has none of that name"
            ));
            match nearest {
                Some(nearest) => failure.hint(format!(
                    "did you mean {nearest:?}? the plugin's manifest and the grants name its tables as the catalog has them"
                )),
                None => failure.hint(
                    "apply the migrations that create it first: `orchestrator migrate deploy`",
                ),
            }
        }
        RunRoleError::Database(error) => Failure::from(error).context(format_args!(
            "making a role for the plugin {plugin} on the database {binding}"
        )),
    };
    Err(failure)
}

/// Those of the run so far.
fn told(record: &RunRecord) -> &[Value] {
    let fact = record.facts.get(FACT).and_then(Value::as_array);
    fact.map_or(&[], Vec::as_slice)
}
