//! From RDS's errors to a failure that says what to do next.

use std::error::Error;

use aws_sdk_rds::config::http::HttpResponse;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};

use crate::aws;
use crate::failure::{Failure, FailureKind};

/// A request, for its errors.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// As AWS names it, which is also its IAM action: `CreateDBSnapshot`.
    pub operation: &'static str,
    /// What it is for: `creating the snapshot x of the instance y`.
    pub doing: String,
}

impl Request {
    pub fn new(operation: &'static str, doing: impl Into<String>) -> Self {
        Self {
            operation,
            doing: doing.into(),
        }
    }

    /// Says what stood against it. Never prints the request, which holds credentials.
    pub fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let unavailable = |cause: &str| {
            Failure::new(FailureKind::Unavailable, format!("{}: {cause}", self.doing))
                .hint("check the network, `region` and `endpoint`, and try again")
        };
        match error {
            SdkError::ServiceError(answer) => self.refused(
                answer.raw().status().as_u16(),
                answer.err().code().unwrap_or_default(),
                answer.err().message().unwrap_or_default(),
            ),
            SdkError::TimeoutError(_) => unavailable("no answer in time"),
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                unavailable(&format!("the answer (status {status}) is not one of RDS"))
            }
            other => {
                let cause = aws::chain(other);
                if cause.to_lowercase().contains("credential") {
                    return Failure::refused(format!("{}: {cause}", self.doing))
                        .hint(aws::CREDENTIALS);
                }
                unavailable(&cause)
            }
        }
    }

    /// An answer that is an error.
    fn refused(&self, status: u16, code: &str, message: &str) -> Failure {
        let cause = match (code, message) {
            ("", "") => format!("status {status}"),
            ("", message) => message.to_owned(),
            (code, "") => code.to_owned(),
            (code, message) => format!("{} ({code})", message.trim_end_matches('.')),
        };
        let (kind, hint) = self.judged(status, code, message);
        let failure = Failure::new(kind, format!("{}: {cause}", self.doing));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// The codes of RDS's API reference.
    fn judged(&self, status: u16, code: &str, message: &str) -> (FailureKind, Option<String>) {
        let said = |text: &str| Some(text.to_owned());
        match code.strip_suffix("Fault").unwrap_or(code) {
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
                (FailureKind::Refused, Some(self.permission(message)))
            }
            code if aws::is_unauthenticated(code) => (FailureKind::Refused, said(aws::CREDENTIALS)),
            code if aws::is_throttled(code) => (
                FailureKind::Unavailable,
                said("AWS asks for fewer requests: try again in a minute"),
            ),
            "DBInstanceNotFound" | "DBClusterNotFound" | "DBInstanceNotFoundException" => (
                FailureKind::NotFound,
                said("check `instance` or `cluster`, `region` and the account of the credentials"),
            ),
            code if code.ends_with("NotFound") => (FailureKind::NotFound, None),
            code if code.ends_with("AlreadyExists") => {
                (FailureKind::AlreadyExists, said("choose another name"))
            }
            code if code.starts_with("Invalid") && code.ends_with("State") => (
                FailureKind::Conflict,
                said("wait until the server is `available`, and try again"),
            ),
            "SnapshotQuotaExceeded" => (
                FailureKind::LimitExceeded,
                said(
                    "delete manual snapshots that nobody needs (`orchestrator snapshot list`), or have the quota of the account raised",
                ),
            ),
            code if code.ends_with("QuotaExceeded")
                || code == "InsufficientDBInstanceCapacity"
                || code == "InsufficientDBClusterCapacity"
                || code == "InsufficientStorageClusterCapacity" =>
            {
                (
                    FailureKind::LimitExceeded,
                    said(
                        "choose a smaller or another class, or have the quota of the account raised",
                    ),
                )
            }
            "KMSKeyNotAccessible" => (
                FailureKind::Refused,
                said(
                    "allow these credentials to use the KMS key: kms:CreateGrant and kms:DescribeKey",
                ),
            ),
            "PointInTimeRestoreNotEnabled" => (
                FailureKind::Conflict,
                said(
                    "the server keeps no moments to go back to: its backup retention period is 0; restore a snapshot instead",
                ),
            ),
            "InvalidRestore" => (FailureKind::Conflict, None),
            code if code.starts_with("Invalid")
                || code.starts_with("Missing")
                || code == "ValidationError" =>
            {
                (FailureKind::InvalidInput, None)
            }
            _ => match status {
                401 => (FailureKind::Refused, said(aws::CREDENTIALS)),
                403 => (FailureKind::Refused, Some(self.permission(message))),
                429 | 500.. => (FailureKind::Unavailable, said("try again in a minute")),
                _ => (FailureKind::Internal, None),
            },
        }
    }

    /// AWS names the missing action in its message (it need not be the request's own: a request with tags needs two), or does not.
    fn permission(&self, message: &str) -> String {
        let action = message
            .split(|c: char| !c.is_ascii_alphanumeric() && c != ':')
            .find(|word| {
                let parts: Vec<&str> = word.split(':').collect();
                matches!(parts.as_slice(), ["rds" | "kms" | "iam" | "ec2", action] if !action.is_empty())
            })
            .map_or_else(|| format!("rds:{}", self.operation), str::to_owned);
        format!("allow {action} to these credentials: docs/snapshots.md has the least policy")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn request() -> Request {
        Request::new("CreateDBSnapshot", "creating the snapshot s")
    }

    #[test]
    fn the_missing_permission_is_named() {
        let message = "User: arn:aws:iam::123456789012:user/deploy is not authorized to perform: rds:AddTagsToResource on resource: \
                       arn:aws:rds:eu-west-1:123456789012:snapshot:s because no identity-based policy allows the rds:AddTagsToResource action";
        let failure = request().refused(403, "AccessDenied", message);
        assert_eq!(failure.kind, FailureKind::Refused);
        assert_eq!(
            failure.hint.as_deref(),
            Some(
                "allow rds:AddTagsToResource to these credentials: docs/snapshots.md has the least policy"
            )
        );
        let failure = request().refused(403, "", "");
        assert_eq!(
            failure.hint.as_deref(),
            Some(
                "allow rds:CreateDBSnapshot to these credentials: docs/snapshots.md has the least policy"
            )
        );
    }

    /// `docs/snapshots.md` promises the least policy: all that is asked for here, and no action that is not.
    #[test]
    fn the_documented_policy_has_every_action_and_no_other() {
        let policy = include_str!("../../../../docs/snapshots.md");
        let (_, policy) = policy.split_once("```json").expect("a policy");
        let (policy, _) = policy.split_once("```").expect("its end");
        let policy: serde_json::Value = serde_json::from_str(policy).expect("JSON");
        let statements = policy["Statement"].as_array().expect("statements");
        let documented: BTreeSet<&str> = statements
            .iter()
            .flat_map(|statement| statement["Action"].as_array().expect("actions"))
            .filter_map(|action| action.as_str()?.strip_prefix("rds:"))
            .collect();
        let sources = [
            include_str!("instance.rs"),
            include_str!("cluster.rs"),
            include_str!("tags.rs"),
        ];
        let used: BTreeSet<&str> = sources
            .iter()
            .flat_map(|source| source.split("Request::new(").skip(1))
            .filter_map(|call| call.split('"').nth(1))
            .collect();
        assert_eq!(documented, used);
    }

    #[test]
    fn answers_are_sorted_by_what_one_can_do() {
        use FailureKind::*;
        for (code, expected) in [
            ("InvalidDBInstanceState", Conflict),
            ("InvalidDBClusterStateFault", Conflict),
            ("InvalidDBClusterSnapshotStateFault", Conflict),
            ("DBInstanceNotFound", NotFound),
            ("DBSnapshotNotFound", NotFound),
            ("DBClusterSnapshotNotFoundFault", NotFound),
            ("DBSnapshotAlreadyExists", AlreadyExists),
            ("DBClusterAlreadyExistsFault", AlreadyExists),
            ("SnapshotQuotaExceeded", LimitExceeded),
            ("InstanceQuotaExceeded", LimitExceeded),
            ("InsufficientDBInstanceCapacity", LimitExceeded),
            ("Throttling", Unavailable),
            ("ExpiredToken", Refused),
            ("InvalidClientTokenId", Refused),
            ("KMSKeyNotAccessibleFault", Refused),
            ("InvalidParameterValue", InvalidInput),
            ("PointInTimeRestoreNotEnabled", Conflict),
            ("InternalFailure", Internal),
        ] {
            assert_eq!(request().refused(400, code, "").kind, expected, "{code}");
        }
        assert_eq!(
            request().refused(503, "ServiceUnavailable", "").kind,
            Unavailable
        );
    }
}
