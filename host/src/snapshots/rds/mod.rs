//! AWS RDS: instances, and clusters (Aurora, Multi-AZ).

mod cluster;
mod failure;
mod instance;
mod settings;
mod tags;

use std::sync::Arc;

use aws_sdk_rds::Client;
use aws_sdk_rds::config::Builder;
use aws_sdk_rds::primitives::DateTime;
use aws_sdk_rds::types::VpcSecurityGroupMembership;
use jiff::Timestamp;

use super::{ManagedServer, ServerKind, Snapshot};
use crate::aws;
pub use settings::RdsSettings;

pub(super) async fn open(settings: &RdsSettings) -> Arc<dyn ManagedServer> {
    let loader = aws::loader(settings.region.as_deref(), settings.endpoint.as_deref()).await;
    let found = loader.load().await;
    let mut config = Builder::from(&found).retry_config(aws::retries(settings.attempts));
    config.set_endpoint_url(
        settings
            .endpoint
            .clone()
            .or_else(|| aws::endpoint(&found, "RDS")),
    );
    let client = Client::from_conf(config.build());
    let name = settings.name.clone();
    match settings.kind {
        ServerKind::Instance => Arc::new(instance::Instance::new(client, name)),
        ServerKind::Cluster => Arc::new(cluster::Cluster::new(client, name)),
    }
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

fn time(value: Option<&DateTime>) -> Option<Timestamp> {
    let milliseconds = value?.to_millis().ok()?;
    Timestamp::from_millisecond(milliseconds).ok()
}

fn moment(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millisecond())
}

fn port(value: Option<i32>) -> Option<u16> {
    // RDS says 0 of a server that does not listen yet.
    u16::try_from(value?).ok().filter(|port| *port != 0)
}

fn percent(value: Option<i32>) -> Option<u8> {
    u8::try_from(value?).ok()
}

/// The ids of security groups; `None` leaves the choice to RDS.
fn security_groups(
    given: &[String],
    of_source: &[VpcSecurityGroupMembership],
) -> Option<Vec<String>> {
    let groups: Vec<String> = match given.is_empty() {
        false => given.to_vec(),
        true => of_source
            .iter()
            .filter_map(|group| group.vpc_security_group_id().map(str::to_owned))
            .collect(),
    };
    (!groups.is_empty()).then_some(groups)
}

fn newest_first(mut snapshots: Vec<Snapshot>) -> Vec<Snapshot> {
    // One without a time is being created.
    snapshots
        .sort_by_key(|snapshot| std::cmp::Reverse((snapshot.created.is_none(), snapshot.created)));
    snapshots
}
