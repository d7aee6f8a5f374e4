//! One suite of cases for every storage: a folder, S3 in this process (s3s-fs), and S3 over HTTP by another implementation
//! (moto). Then what only one kind of them can do wrong.

mod cases;
mod faults;
mod folder;
mod moto;
mod s3;
mod s3s;
mod support;

macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod of_a_folder {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::cases::$case(&crate::folder::FolderBackend::start()).await;
            })*
        }
        mod of_s3s {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::cases::$case(&crate::s3s::S3sBackend::start().await).await;
            })*
        }
        mod of_moto {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                crate::cases::$case(&crate::moto::MotoBackend::start().await).await;
            })*
        }
    };
}

conformance!(
    stores_and_reads,
    reads_ranges,
    lists_pages_in_order,
    lists_from_any_prefix_and_key,
    names_folders,
    deletes_what_is_there,
    replaces_when_finished,
    aborts,
    drops,
    stores_large_objects_in_parts,
    keeps_odd_keys,
    writes_at_the_same_time,
    removes_what_was_left_unfinished,
    removes_all_below_a_folder,
    refuses_prefixes_that_leave,
);
