//! libpq's connection service file: sections of parameters, chosen by `service=` or `PGSERVICE`.
//!
//! Source: <https://www.postgresql.org/docs/current/libpq-pgservice.html>.

use super::ProcessEnvironment;
use super::settings::SettingsError;
use std::path::{Path, PathBuf};

/// The parameters of a service, from the file that was named, else from `~/.pg_service.conf` and the system's.
pub(super) fn read(
    service: &str,
    file: Option<&Path>,
    environment: &ProcessEnvironment,
) -> Result<Vec<(String, String)>, SettingsError> {
    let system = environment
        .variable("PGSYSCONFDIR")
        .unwrap_or("/etc/postgresql-common");
    let user = || {
        environment
            .home
            .as_ref()
            .map(|home| home.join(".pg_service.conf"))
    };
    let files: Vec<PathBuf> = file
        .map(Path::to_path_buf)
        .or_else(user)
        .into_iter()
        .chain([Path::new(system).join("pg_service.conf")])
        .collect();
    for path in &files {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(SettingsError::new(
                    format!("reading the service file {}: {error}", path.display()),
                    "make it readable for this user, or name another one with PGSERVICEFILE",
                ));
            }
        };
        if let Some(parameters) = section(&text, service, path)? {
            return Ok(parameters);
        }
    }
    let tried = files
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(" or ");
    Err(SettingsError::new(
        format!("no service {service:?} in {tried}"),
        format!("add a section [{service}] there, or name another file with PGSERVICEFILE"),
    ))
}

fn section(
    text: &str,
    service: &str,
    path: &Path,
) -> Result<Option<Vec<(String, String)>>, SettingsError> {
    let mut parameters = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            if parameters.is_some() {
                break;
            }
            parameters = (name == service).then(Vec::new);
        } else if let Some(parameters) = &mut parameters {
            let (name, value) = line.split_once('=').ok_or_else(|| {
                SettingsError::new(
                    format!(
                        "{}:{}: neither a [section] nor name=value",
                        path.display(),
                        index + 1
                    ),
                    "write one parameter a line, as host=localhost",
                )
            })?;
            parameters.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_section_of_that_name_counts() {
        let text = "# services\n[a]\nhost=one\n\n[b]\nhost = two\nport=7\n[b]\nhost=three\n";
        let found = section(text, "b", Path::new("x")).unwrap().unwrap();
        assert_eq!(
            found,
            [
                ("host".to_owned(), "two".to_owned()),
                ("port".to_owned(), "7".to_owned())
            ]
        );
        assert_eq!(section(text, "c", Path::new("x")).unwrap(), None);
    }
}
