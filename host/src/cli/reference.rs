//! `docs/reference.md`, from the command line's own definitions and the configuration's own keys.

use clap::{Command, CommandFactory};

use super::{Cli, EXIT_CODES};
use crate::config;
use crate::plugins::{Inspection, builtin};

/// The whole page. A test holds the file against it.
pub fn reference() -> String {
    let mut page = String::from(
        "# Reference\n\nGenerated from the program's own definitions; `make reference` writes it anew, and a test holds it against them.\n\n\
         ## Commands\n\n",
    );
    let mut root = Cli::command();
    root.build();
    page.push_str(&format!("{EXIT_CODES}.\n\n"));
    page.push_str(&globals(&root));
    for command in root
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        describe(command, "orchestrator", &mut page);
    }
    page.push_str(&keys());
    page.push_str(&plugins());
    page
}

fn globals(root: &Command) -> String {
    let mut text = String::from("Every command takes:\n\n| flag | what |\n|---|---|\n");
    for argument in root
        .get_arguments()
        .filter(|argument| argument.is_global_set())
    {
        text.push_str(&row(argument));
    }
    text.push('\n');
    text
}

fn describe(command: &Command, parent: &str, page: &mut String) {
    let name = format!("{parent} {}", command.get_name());
    let nested: Vec<&Command> = command
        .get_subcommands()
        .filter(|nested| nested.get_name() != "help" && !nested.is_hide_set())
        .collect();
    // Some that have others below them do something by themselves, too.
    if nested.is_empty() || !command.is_subcommand_required_set() {
        let mut shown = command.clone().bin_name(&name);
        let usage = shown.render_usage().to_string();
        // The lines below tell of the commands below it.
        let usage = usage.trim_start_matches("Usage: ").trim();
        let usage = usage.lines().next().unwrap_or_default();
        page.push_str(&format!(
            "### {name}\n\n{}.\n\n`{usage}`\n\n",
            about(command)
        ));
        let own: Vec<String> = command
            .get_arguments()
            .filter(|argument| {
                !argument.is_global_set()
                    && !matches!(argument.get_id().as_str(), "help" | "version")
            })
            .map(row)
            .collect();
        if !own.is_empty() {
            page.push_str(&format!(
                "| argument | what |\n|---|---|\n{}\n",
                own.concat()
            ));
        }
    }
    for each in nested {
        describe(each, &name, page);
    }
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn row(argument: &clap::Arg) -> String {
    let value = argument
        .get_value_names()
        .filter(|_| argument.get_action().takes_values())
        .map(|names| {
            names
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        });
    let mut name = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long}"),
        (Some(long), None) => format!("--{long}"),
        _ => String::new(),
    };
    if let Some(value) = value {
        name = if name.is_empty() {
            value
        } else {
            format!("{name} {value}")
        };
    }
    let help = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let defaults = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty() && value != "false")
        .collect::<Vec<_>>()
        .join(", ");
    let default = if defaults.is_empty() || !argument.get_action().takes_values() {
        String::new()
    } else {
        format!(" [default: {defaults}]")
    };
    format!(
        "| `{}` | {}{default} |\n",
        name.replace('|', "\\|"),
        help.replace('|', "\\|")
    )
}

fn keys() -> String {
    let mut text = String::from(
        "## Configuration\n\n`orchestrator.toml`, looked for upward from the working folder. Order: flag, environment variable, file, default. \
         `${NAME}` takes a variable, `${NAME:-default}` with a default. Without any file `DATABASE_URL` is enough.\n\n\
         | key | kind | default | what |\n|---|---|---|---|\n",
    );
    text.push_str(&rows(config::reference()));
    text.push_str(
        "\n### Schedules\n\nEach file of `[schedules] folder` that ends in `.toml` is one schedule; see [schedules](schedules.md).\n\n\
         | key | kind | default | what |\n|---|---|---|---|\n",
    );
    text.push_str(&rows(config::schedule_reference()));
    text.push('\n');
    text
}

fn rows(keys: Vec<config::KeyDoc>) -> String {
    let mut text = String::new();
    for key in keys {
        let default = key
            .default
            .map(|default| format!("`{default}`"))
            .unwrap_or_default();
        text.push_str(&format!(
            "| `{}` | {} | {default} | {} |\n",
            key.key,
            key.kind,
            key.description.replace('|', "\\|")
        ));
    }
    text
}

fn plugins() -> String {
    let mut text =
        String::from("## Built-in plugins\n\nA step of a job is a plugin and its parameters.\n\n");
    for plugin in builtin::BUILTIN {
        // The build has checked them; one that cannot be read is missed by the test of the page.
        let Ok(inspection) = Inspection::read(plugin.component) else {
            continue;
        };
        let manifest = inspection.manifest;
        text.push_str(&format!(
            "### {}\n\n{}.\n\n| parameter | default | what |\n|---|---|---|\n",
            manifest.name, manifest.description
        ));
        for parameter in &manifest.parameters {
            let default = match (&parameter.default, parameter.required) {
                (Some(default), _) => format!("`{default}`"),
                (None, true) => "required".to_owned(),
                (None, false) => String::new(),
            };
            text.push_str(&format!(
                "| `{}` | {default} | {} |\n",
                parameter.name,
                parameter.description.replace('|', "\\|")
            ));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// `UPDATE_REFERENCE=1` writes the page instead.
    #[test]
    fn the_page_is_what_the_program_says() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
        let page = super::reference();
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(&file, &page).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == page,
            "docs/reference.md is not what the program says: run `make reference`"
        );
    }
}
