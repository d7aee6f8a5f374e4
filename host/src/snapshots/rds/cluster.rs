//! A cluster of RDS: Aurora, where servers share a storage, or Multi-AZ, where RDS keeps three machines by itself.

use async_trait::async_trait;
use aws_sdk_rds::Client;
use aws_sdk_rds::types::{
    DbCluster, DbClusterSnapshot, DbInstance, Filter, ServerlessV2ScalingConfiguration,
};

use super::failure::Request;
use super::{moment, newest_first, percent, port, security_groups, tags, text, time};
use crate::failure::{Failure, FailureKind};
use crate::snapshots::{ManagedServer, NewServer, Origin, Server, ServerKind, Snapshot, deletable};

/// What a server that is on its way says; anything else of a member is told in the place of the cluster's status.
const AVAILABLE: &str = "available";

/// A client for one cluster.
pub(super) struct Cluster {
    client: Client,
    name: String,
}

/// The old cluster, and the machine that writes.
struct Model {
    cluster: DbCluster,
    writer: Option<DbInstance>,
}

impl Cluster {
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    async fn described(&self, name: &str) -> Result<DbCluster, Failure> {
        let request = Request::new(
            "DescribeDBClusters",
            format!("looking at the cluster {name}"),
        );
        let answer = self
            .client
            .describe_db_clusters()
            .db_cluster_identifier(name)
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        answer
            .db_clusters
            .and_then(|clusters| clusters.into_iter().next())
            .ok_or_else(|| Failure::not_found(format!("there is no cluster {name}")))
    }

    /// One of its machines.
    async fn member(&self, name: &str) -> Result<Option<DbInstance>, Failure> {
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
            .map_err(|error| request.failed(&error));
        match answer {
            Ok(answer) => Ok(answer
                .db_instances
                .and_then(|instances| instances.into_iter().next())),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What a new server is to look like; nothing when the old one is gone.
    async fn model(&self) -> Result<Option<Model>, Failure> {
        let cluster = match self.described(&self.name).await {
            Ok(cluster) => cluster,
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let members = cluster.db_cluster_members();
        let writer = members
            .iter()
            .find(|member| member.is_cluster_writer() == Some(true))
            .or(members.first())
            .and_then(|member| member.db_instance_identifier());
        let writer = match writer {
            Some(name) => self.member(name).await?,
            None => None,
        };
        Ok(Some(Model { cluster, writer }))
    }

    async fn begin(
        &self,
        origin: &Origin,
        new: &NewServer,
        model: Option<&DbCluster>,
        machines: Option<String>,
    ) -> Result<DbCluster, Failure> {
        let subnets = new
            .subnet_group
            .as_deref()
            .or(model.and_then(DbCluster::db_subnet_group))
            .map(str::to_owned);
        let groups = security_groups(
            &new.security_groups,
            model.map_or(&[], DbCluster::vpc_security_groups),
        );
        let parameters = new
            .parameter_group
            .as_deref()
            .or(model.and_then(DbCluster::db_cluster_parameter_group))
            .map(str::to_owned);
        let protected = model.and_then(DbCluster::deletion_protection);
        let copies_tags = model.and_then(DbCluster::copy_tags_to_snapshot);
        let capacity = model.and_then(capacity);
        let made = match origin {
            Origin::Snapshot(name) => {
                let Some(snapshot) = self.get(name).await? else {
                    return Err(Failure::not_found(format!("there is no snapshot {name}"))
                        .hint("`orchestrator snapshot list` shows what there is"));
                };
                let request = Request::new(
                    "RestoreDBClusterFromSnapshot",
                    format!("restoring the snapshot {name} to the cluster {}", new.name),
                );
                self.client
                    .restore_db_cluster_from_snapshot()
                    .db_cluster_identifier(&new.name)
                    .snapshot_identifier(name)
                    .engine(snapshot.engine)
                    .engine_version(snapshot.version)
                    .set_db_subnet_group_name(subnets)
                    .set_vpc_security_group_ids(groups)
                    .set_db_cluster_parameter_group_name(parameters)
                    .set_db_cluster_instance_class(machines)
                    .set_deletion_protection(protected)
                    .set_copy_tags_to_snapshot(copies_tags)
                    .set_serverless_v2_scaling_configuration(capacity)
                    .set_tags(Some(tags::given(&new.tags)?))
                    .send()
                    .await
                    .map_err(|error| request.failed(&error))?
                    .db_cluster
            }
            Origin::PointInTime(_) | Origin::Latest => {
                let request = Request::new(
                    "RestoreDBClusterToPointInTime",
                    format!(
                        "restoring a moment of the cluster {} to the cluster {}",
                        self.name, new.name
                    ),
                );
                let builder = self
                    .client
                    .restore_db_cluster_to_point_in_time()
                    .source_db_cluster_identifier(&self.name)
                    .db_cluster_identifier(&new.name);
                let builder = match origin {
                    Origin::PointInTime(time) => builder.restore_to_time(moment(*time)),
                    _ => builder.use_latest_restorable_time(true),
                };
                builder
                    .set_db_subnet_group_name(subnets)
                    .set_vpc_security_group_ids(groups)
                    .set_db_cluster_parameter_group_name(parameters)
                    .set_db_cluster_instance_class(machines)
                    .set_deletion_protection(protected)
                    .set_copy_tags_to_snapshot(copies_tags)
                    .set_serverless_v2_scaling_configuration(capacity)
                    .set_tags(Some(tags::given(&new.tags)?))
                    .send()
                    .await
                    .map_err(|error| request.failed(&error))?
                    .db_cluster
            }
        };
        made.ok_or_else(|| Failure::internal("RDS created a cluster and did not describe it"))
    }

    /// Aurora restores the storage alone: nobody answers until there is a machine on it.
    async fn add_machine(
        &self,
        cluster: &DbCluster,
        new: &NewServer,
        class: &str,
        model: Option<&DbInstance>,
    ) -> Result<(), Failure> {
        let name = machine_of(&new.name);
        let request = Request::new(
            "CreateDBInstance",
            format!("creating the instance {name} of the cluster {}", new.name),
        );
        let parameters = model.and_then(|machine| machine.db_parameter_groups().first());
        self.client
            .create_db_instance()
            .db_instance_identifier(name)
            .db_cluster_identifier(&new.name)
            .engine(text(cluster.engine()))
            .db_instance_class(class)
            .set_db_parameter_group_name(
                parameters
                    .and_then(|group| group.db_parameter_group_name())
                    .map(str::to_owned),
            )
            .set_publicly_accessible(model.and_then(DbInstance::publicly_accessible))
            .set_tags(Some(tags::given(&new.tags)?))
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        Ok(())
    }

    /// A snapshot of this cluster; `Refused` when it is of another.
    async fn found(&self, name: &str) -> Result<Option<DbClusterSnapshot>, Failure> {
        let request = Request::new(
            "DescribeDBClusterSnapshots",
            format!("looking at the snapshot {name}"),
        );
        let answer = self
            .client
            .describe_db_cluster_snapshots()
            .db_cluster_snapshot_identifier(name)
            .send()
            .await;
        let found = match answer {
            Ok(answer) => answer.db_cluster_snapshots.unwrap_or_default(),
            Err(error) => match request.failed(&error) {
                failure if failure.kind == FailureKind::NotFound => return Ok(None),
                failure => return Err(failure),
            },
        };
        let Some(found) = found.into_iter().next() else {
            return Ok(None);
        };
        let server = text(found.db_cluster_identifier());
        if server != self.name {
            return Err(Failure::refused(format!(
                "the snapshot {name} is of the cluster {server}, not of {}",
                self.name
            )));
        }
        Ok(Some(found))
    }
}

#[async_trait]
impl ManagedServer for Cluster {
    fn name(&self) -> &str {
        &self.name
    }

    async fn describe(&self) -> Result<Server, Failure> {
        Ok(server(&self.described(&self.name).await?))
    }

    async fn list(&self) -> Result<Vec<Snapshot>, Failure> {
        let request = Request::new(
            "DescribeDBClusterSnapshots",
            format!("listing the snapshots of the cluster {}", self.name),
        );
        // By a filter, for the snapshots of a cluster that is gone.
        let of_this = Filter::builder()
            .name("db-cluster-id")
            .values(&self.name)
            .build();
        let mut pages = self
            .client
            .describe_db_cluster_snapshots()
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
            "CreateDBClusterSnapshot",
            format!("creating the snapshot {name} of the cluster {}", self.name),
        );
        let answer = self
            .client
            .create_db_cluster_snapshot()
            .db_cluster_snapshot_identifier(name)
            .db_cluster_identifier(&self.name)
            .set_tags(Some(tags::given(tags)?))
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        answer
            .db_cluster_snapshot
            .as_ref()
            .map(snapshot)
            .ok_or_else(|| Failure::internal("RDS created a snapshot and did not describe it"))
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        let Some(found) = self.get(name).await? else {
            return Err(Failure::not_found(format!("there is no snapshot {name}")));
        };
        deletable(&found)?;
        let request = Request::new(
            "DeleteDBClusterSnapshot",
            format!("deleting the snapshot {name}"),
        );
        self.client
            .delete_db_cluster_snapshot()
            .db_cluster_snapshot_identifier(name)
            .send()
            .await
            .map_err(|error| request.failed(&error))?;
        Ok(())
    }

    async fn tag(&self, name: &str, tag: &str, value: Option<&str>) -> Result<(), Failure> {
        let Some(found) = self.found(name).await? else {
            return Err(Failure::not_found(format!("there is no snapshot {name}")));
        };
        tags::set(
            &self.client,
            found.db_cluster_snapshot_arn(),
            name,
            tag,
            value,
        )
        .await
    }

    async fn restore(&self, origin: &Origin, new: &NewServer) -> Result<Server, Failure> {
        let model = self.model().await?;
        let cluster = model.as_ref().map(|model| &model.cluster);
        let writer = model.as_ref().and_then(|model| model.writer.as_ref());
        // Of a Multi-AZ cluster the class is the cluster's own, and its machines are RDS's business.
        let own_class = cluster.and_then(DbCluster::db_cluster_instance_class);
        if let Some(own) = own_class {
            let class = new.class.as_deref().unwrap_or(own).to_owned();
            let made = self.begin(origin, new, cluster, Some(class)).await?;
            return Ok(server(&made));
        }
        let class = new
            .class
            .as_deref()
            .or(writer.and_then(DbInstance::db_instance_class))
            .ok_or_else(|| {
                Failure::invalid_input(format!(
                    "the cluster {} is gone, and does not say any more how large its machines were",
                    self.name
                ))
                .hint("say which class the new one is to have: --class db.r6g.large")
            })?
            .to_owned();
        let made = self.begin(origin, new, cluster, None).await?;
        self.add_machine(&made, new, &class, writer).await?;
        Ok(server(&made))
    }

    async fn restored(&self, name: &str) -> Result<Server, Failure> {
        let found = server(&self.described(name).await?);
        // The cluster says `available` before anybody answers there.
        match self.member(&machine_of(name)).await? {
            Some(machine) if found.status == AVAILABLE => Ok(Server {
                status: text(machine.db_instance_status()),
                ..found
            }),
            _ => Ok(found),
        }
    }
}

/// The first machine of a new cluster.
fn machine_of(cluster: &str) -> String {
    format!("{cluster}-1")
}

fn capacity(cluster: &DbCluster) -> Option<ServerlessV2ScalingConfiguration> {
    let found = cluster.serverless_v2_scaling_configuration()?;
    Some(
        ServerlessV2ScalingConfiguration::builder()
            .set_min_capacity(found.min_capacity())
            .set_max_capacity(found.max_capacity())
            .build(),
    )
}

fn server(cluster: &DbCluster) -> Server {
    Server {
        name: text(cluster.db_cluster_identifier()),
        kind: ServerKind::Cluster,
        status: text(cluster.status()),
        engine: text(cluster.engine()),
        version: text(cluster.engine_version()),
        host: cluster.endpoint().map(str::to_owned),
        port: port(cluster.port()),
        earliest_restorable: time(cluster.earliest_restorable_time()),
        latest_restorable: time(cluster.latest_restorable_time()),
        encrypted: cluster.storage_encrypted().unwrap_or_default(),
    }
}

fn snapshot(snapshot: &DbClusterSnapshot) -> Snapshot {
    Snapshot {
        name: text(snapshot.db_cluster_snapshot_identifier()),
        server: text(snapshot.db_cluster_identifier()),
        status: text(snapshot.status()),
        percent: percent(snapshot.percent_progress()),
        created: time(snapshot.snapshot_create_time()),
        gibibytes: u32::try_from(snapshot.allocated_storage().unwrap_or_default())
            .unwrap_or_default(),
        engine: text(snapshot.engine()),
        version: text(snapshot.engine_version()),
        automatic: snapshot.snapshot_type() == Some("automated"),
        encrypted: snapshot.storage_encrypted().unwrap_or_default(),
        tags: tags::told(snapshot.tag_list()),
    }
}
