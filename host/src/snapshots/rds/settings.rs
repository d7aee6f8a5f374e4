//! Which server of which account.

use crate::snapshots::ServerKind;

/// A server of AWS RDS. What is `None` comes from AWS's own environment variables, profiles and services, as the credentials do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdsSettings {
    /// An instance, or a cluster.
    pub kind: ServerKind,
    /// Its identifier.
    pub name: String,
    /// `eu-west-1`.
    pub region: Option<String>,
    /// The URL of an API that is not AWS's.
    pub endpoint: Option<String>,
    /// How often a request is sent before it counts as failed.
    pub attempts: u32,
}

/// With the waits between them, some ten seconds; whoever waits for a snapshot asks again after that.
const ATTEMPTS: u32 = 6;

impl RdsSettings {
    /// A server by its name alone.
    pub fn new(kind: ServerKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            // As RDS keeps them, and tells them.
            name: name.into().to_ascii_lowercase(),
            region: None,
            endpoint: None,
            attempts: ATTEMPTS,
        }
    }

    /// From the host name of an endpoint: `NAME.abc123.REGION.rds.amazonaws.com` of an instance, `NAME.cluster-abc123.…` of a cluster.
    /// `None` for any other host, an RDS proxy among them: it does not say which server is behind it.
    pub fn from_host(host: &str) -> Option<Self> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let parts: Vec<&str> = host.split('.').collect();
        let (name, account, region) = match parts.as_slice() {
            [name, account, region, "rds", "amazonaws", "com"] => (name, account, region),
            [name, account, "rds", region, "amazonaws", "com", "cn"] => (name, account, region),
            _ => return None,
        };
        let kind = if account.starts_with("proxy-") || account.starts_with("cluster-custom-") {
            return None;
        } else if account.starts_with("cluster-") {
            ServerKind::Cluster
        } else {
            ServerKind::Instance
        };
        Some(Self {
            region: Some((*region).to_owned()),
            ..Self::new(kind, *name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_tell_which_server_they_are_of() {
        let found = |host| {
            let settings = RdsSettings::from_host(host)?;
            Some((settings.kind, settings.name, settings.region?))
        };
        let expected = |kind, name: &str, region: &str| Some((kind, name.into(), region.into()));
        assert_eq!(
            found("qconnect-prod.c1a2b3.eu-west-1.rds.amazonaws.com"),
            expected(ServerKind::Instance, "qconnect-prod", "eu-west-1")
        );
        assert_eq!(
            found("Shop.cluster-c1a2b3.us-east-2.rds.amazonaws.com."),
            expected(ServerKind::Cluster, "shop", "us-east-2")
        );
        assert_eq!(
            found("shop.cluster-ro-c1a2b3.us-east-2.rds.amazonaws.com"),
            expected(ServerKind::Cluster, "shop", "us-east-2")
        );
        assert_eq!(
            found("shop.c1a2b3.rds.cn-north-1.amazonaws.com.cn"),
            expected(ServerKind::Instance, "shop", "cn-north-1")
        );
        for host in [
            "shop.proxy-c1a2b3.us-east-2.rds.amazonaws.com",
            "readers.cluster-custom-c1a2b3.us-east-2.rds.amazonaws.com",
            "db.example.org",
            "127.0.0.1",
            "rds.amazonaws.com.example.org",
        ] {
            assert_eq!(RdsSettings::from_host(host), None, "{host}");
        }
    }
}
