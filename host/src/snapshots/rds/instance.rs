//! An instance of RDS: one machine.

use async_trait::async_trait;
use aws_sdk_rds::Client;
use aws_sdk_rds::types::{DbInstance, DbSnapshot, Filter};

use super::failure::Request;
use super::{moment, newest_first, percent, port, security_groups, tags, text, time};
use crate::failure::{Failure, FailureKind};
use crate::snapshots::{ManagedServer, NewServer, Origin, Server, ServerKind, Snapshot, deletable};

/// A client for one instance.
pub(super) struct Instance {
    client: Client,
    name: String,
}

impl Instance {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    async fn described(&self, name: &str) -> Result<DbInstance, Failure> {
        let request = Request::new(
            "DescribeDBInstances",
            format!("looking at the instance {name}"),
        );
        let answer = self
            .client
            .describe_db_instances()
            .db_instance_identifier(name)
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        answer
            .db_instances
            .and_then(|instances| instances.into_iter().next())
            .ok_or_else(|| Failure::not_found(format!("there is no instance {name}")))
    }

    /// What a new server is to look like; nothing when the old one is gone.
    async fn model(&self) -> Result<Option<DbInstance>, Failure> {
        match self.described(&self.name).await {
            Ok(instance) => Ok(Some(instance)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A snapshot of this instance; `Refused` when it is of another.
    async fn found(&self, name: &str) -> Result<Option<DbSnapshot>, Failure> {
        let request = Request::new(
            "DescribeDBSnapshots",
            format!("looking at the snapshot {name}"),
        );
        let answer = self
            .client
            .describe_db_snapshots()
            .db_snapshot_identifier(name)
            .send()
            .await;
        let found = match answer {
            Ok(answer) => answer.db_snapshots.unwrap_or_default(),
            Err(error) => match request.failed(&error) {
                failure if failure.kind == FailureKind::NotFound => return Ok(None),
                failure => return Err(failure),
            },
        };
        let Some(found) = found.into_iter().next() else {
            return Ok(None);
        };
        let server = text(found.db_instance_identifier());
        if server != self.name {
            return Err(Failure::refused(format!(
                "the snapshot {name} is of the instance {server}, not of {}",
                self.name
            )));
        }
        Ok(Some(found))
    }
}

#[async_trait]
impl ManagedServer for Instance {
    fn name(&self) -> &str {
        &self.name
    }

    async fn describe(&self) -> Result<Server, Failure> {
        let instance = self.described(&self.name).await?;
        if let Some(cluster) = instance.db_cluster_identifier() {
            return Err(Failure::conflict(format!(
                "the instance {} belongs to the cluster {cluster}, and snapshots are of clusters",
                self.name
            ))
            .hint(format!(
                "write cluster = {cluster:?} in place of `instance`"
            )));
        }
        Ok(server(&instance))
    }

    async fn list(&self) -> Result<Vec<Snapshot>, Failure> {
        let request = Request::new(
            "DescribeDBSnapshots",
            format!("listing the snapshots of the instance {}", self.name),
        );
        // By a filter, for the snapshots of an instance that is gone.
        let of_this = Filter::builder()
            .name("db-instance-id")
            .values(&self.name)
            .build();
        let mut pages = self
            .client
            .describe_db_snapshots()
            .filters(of_this)
            .into_paginator()
            .items()
            .send();
        let mut snapshots = Vec::new();
        while let Some(found) = pages.next().await {
            let found = snapshot(&found.map_err(|error| request.failed(&error))?);
            if found.server == self.name {
                snapshots.push(found);
            }
        }
        Ok(newest_first(snapshots))
    }

    async fn get(&self, name: &str) -> Result<Option<Snapshot>, Failure> {
        Ok(self.found(name).await?.as_ref().map(snapshot))
    }

    async fn create(&self, name: &str, tags: &[(String, String)]) -> Result<Snapshot, Failure> {
        let request = Request::new(
            "CreateDBSnapshot",
            format!("creating the snapshot {name} of the instance {}", self.name),
        );
        let answer = self
            .client
            .create_db_snapshot()
            .db_snapshot_identifier(name)
            .db_instance_identifier(&self.name)
            .set_tags(Some(tags::given(tags)?))
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        answer
            .db_snapshot
            .as_ref()
            .map(snapshot)
            .ok_or_else(|| Failure::internal("RDS created a snapshot and did not describe it"))
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        let Some(found) = self.get(name).await? else {
            return Err(Failure::not_found(format!("there is no snapshot {name}")));
        };
        deletable(&found)?;
        let request = Request::new("DeleteDBSnapshot", format!("deleting the snapshot {name}"));
        self.client
            .delete_db_snapshot()
            .db_snapshot_identifier(name)
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        Ok(())
    }

    async fn tag(&self, name: &str, tag: &str, value: Option<&str>) -> Result<(), Failure> {
        let Some(found) = self.found(name).await? else {
            return Err(Failure::not_found(format!("there is no snapshot {name}")));
        };
        tags::set(&self.client, found.db_snapshot_arn(), name, tag, value).await
    }

    async fn restore(&self, origin: &Origin, new: &NewServer) -> Result<Server, Failure> {
        let model = self.model().await?;
        let model = model.as_ref();
        let class = new
            .class
            .as_deref()
            .or(model.and_then(DbInstance::db_instance_class))
            .map(str::to_owned);
        let subnets = model.and_then(DbInstance::db_subnet_group);
        let subnets = new
            .subnet_group
            .as_deref()
            .or(subnets.and_then(|group| group.db_subnet_group_name()))
            .map(str::to_owned);
        let groups = security_groups(
            &new.security_groups,
            model.map_or(&[], DbInstance::vpc_security_groups),
        );
        let parameters = model.and_then(|instance| instance.db_parameter_groups().first());
        let parameters = new
            .parameter_group
            .as_deref()
            .or(parameters.and_then(|group| group.db_parameter_group_name()))
            .map(str::to_owned);
        let public = model.and_then(DbInstance::publicly_accessible);
        let protected = model.and_then(DbInstance::deletion_protection);
        let copies_tags = model.and_then(DbInstance::copy_tags_to_snapshot);
        let several_zones = model.and_then(DbInstance::multi_az);
        let made = match origin {
            Origin::Snapshot(name) => {
                if self.get(name).await?.is_none() {
                    return Err(Failure::not_found(format!("there is no snapshot {name}"))
                        .hint("`orchestrator snapshot list` shows what there is"));
                }
                let request = Request::new(
                    "RestoreDBInstanceFromDBSnapshot",
                    format!("restoring the snapshot {name} to the instance {}", new.name),
                );
                self.client
                    .restore_db_instance_from_db_snapshot()
                    .db_instance_identifier(&new.name)
                    .db_snapshot_identifier(name)
                    .set_db_instance_class(class)
                    .set_db_subnet_group_name(subnets)
                    .set_vpc_security_group_ids(groups)
                    .set_db_parameter_group_name(parameters)
                    .set_publicly_accessible(public)
                    .set_deletion_protection(protected)
                    .set_copy_tags_to_snapshot(copies_tags)
                    .set_multi_az(several_zones)
                    .set_tags(Some(tags::given(&new.tags)?))
                    .send()
                    .await
                    .map_err(|error| request.failed(&error))?
                    .db_instance
            }
            Origin::PointInTime(_) | Origin::Latest => {
                let request = Request::new(
                    "RestoreDBInstanceToPointInTime",
                    format!(
                        "restoring a moment of the instance {} to the instance {}",
                        self.name, new.name
                    ),
                );
                let builder = self
                    .client
                    .restore_db_instance_to_point_in_time()
                    .source_db_instance_identifier(&self.name)
                    .target_db_instance_identifier(&new.name);
                let builder = match origin {
                    Origin::PointInTime(time) => builder.restore_time(moment(*time)),
                    _ => builder.use_latest_restorable_time(true),
                };
                builder
                    .set_db_instance_class(class)
                    .set_db_subnet_group_name(subnets)
                    .set_vpc_security_group_ids(groups)
                    .set_db_parameter_group_name(parameters)
                    .set_publicly_accessible(public)
                    .set_deletion_protection(protected)
                    .set_copy_tags_to_snapshot(copies_tags)
                    .set_multi_az(several_zones)
                    .set_tags(Some(tags::given(&new.tags)?))
                    .send()
                    .await
                    .map_err(|error| request.failed(&error))?
                    .db_instance
            }
        };
        made.as_ref()
            .map(server)
            .ok_or_else(|| Failure::internal("RDS created an instance and did not describe it"))
    }

    async fn restored(&self, name: &str) -> Result<Server, Failure> {
        Ok(server(&self.described(name).await?))
    }
}

fn server(instance: &DbInstance) -> Server {
    let endpoint = instance.endpoint();
    Server {
        name: text(instance.db_instance_identifier()),
        kind: ServerKind::Instance,
        status: text(instance.db_instance_status()),
        engine: text(instance.engine()),
        version: text(instance.engine_version()),
        host: endpoint.and_then(|endpoint| endpoint.address().map(str::to_owned)),
        port: endpoint.and_then(|endpoint| port(endpoint.port())),
        earliest_restorable: None,
        latest_restorable: time(instance.latest_restorable_time()),
        encrypted: instance.storage_encrypted().unwrap_or_default(),
    }
}

fn snapshot(snapshot: &DbSnapshot) -> Snapshot {
    Snapshot {
        name: text(snapshot.db_snapshot_identifier()),
        server: text(snapshot.db_instance_identifier()),
        status: text(snapshot.status()),
        percent: percent(snapshot.percent_progress()),
        created: time(snapshot.snapshot_create_time()),
        gibibytes: u32::try_from(snapshot.allocated_storage().unwrap_or_default())
            .unwrap_or_default(),
        engine: text(snapshot.engine()),
        version: text(snapshot.engine_version()),
        automatic: snapshot.snapshot_type() == Some("automated"),
        encrypted: snapshot.encrypted().unwrap_or_default(),
        tags: tags::told(snapshot.tag_list()),
    }
}
