//! Where backups lie: one trait, a folder or S3.
