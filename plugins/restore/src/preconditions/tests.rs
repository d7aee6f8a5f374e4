//! Everything that stands against a restore is named at once.

use super::*;
use crate::selection::select;
use crate::selection::tests::{existing, parameters, toc};

fn facts(roles: &[&str]) -> Facts {
    Facts {
        server_major: 15,
        encoding: "UTF8".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..Facts::default()
    }
}

fn empty_target() -> TargetState {
    TargetState {
        version: 150_018,
        user: "deployer".to_owned(),
        creates_in_database: true,
        creates_in_public: true,
        roles: [("app".to_owned(), true)].into(),
        encoding: "UTF8".to_owned(),
        objects: existing(&[
            (ObjectKind::Schema, "", "public"),
            (ObjectKind::Schema, "", "orchestrator"),
        ]),
        ..TargetState::default()
    }
}

fn found(parameters: &Parameters, target: &TargetState, roles: &[&str], toc: &Toc) -> Findings {
    let selection = select(toc, parameters, &target.objects).unwrap();
    check(Situation {
        facts: &facts(roles),
        toc,
        selection: &selection,
        parameters,
        target,
        place: &Place::Ready,
        filled: &[],
    })
}

fn messages(findings: &Findings) -> Vec<&str> {
    findings
        .problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect()
}

#[test]
fn nothing_stands_against_an_empty_target() {
    let findings = found(&parameters(), &empty_target(), &["app", "reader"], &toc());
    assert_eq!(findings, Findings::default());
    findings.into_result().unwrap();
}

#[test]
fn all_problems_are_found_together() {
    let mut toc = toc();
    let users_acl = toc
        .entries
        .iter_mut()
        .find(|entry| entry.dump_id == 22)
        .unwrap();
    users_acl.definition = Some("GRANT SELECT ON TABLE public.users TO reader;\n".to_owned());
    toc.entries.push(crate::entries::tests::entry(
        60,
        "EXTENSION",
        "",
        "postgis",
        &[],
    ));
    let mut target = empty_target();
    target.roles = [("app".to_owned(), false)].into();
    target
        .objects
        .extend(existing(&[(ObjectKind::Relation, "public", "old")]));
    target.creates_in_public = false;
    let findings = found(&parameters(), &target, &["app", "reader", "unused"], &toc);
    assert_eq!(
        messages(&findings),
        [
            "the target is not empty: it holds relation public.old",
            "the target's server lacks roles that grant or get privileges: reader",
            "the role deployer is no member of roles that own what is restored: app",
            "the target's server lacks extensions: postgis",
            "the role deployer may not create anything in the schema public of the target",
        ]
    );
    let error = findings.into_result().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(
        error
            .message
            .starts_with("5 things stand against this restore: ")
    );
}

#[test]
fn owners_and_privileges_that_are_left_out_need_no_roles() {
    let bare = Parameters {
        no_owner: true,
        no_privileges: true,
        ..parameters()
    };
    let mut target = empty_target();
    target.roles.clear();
    assert_eq!(messages(&found(&bare, &target, &["app"], &toc())), [""; 0]);
}

#[test]
fn chosen_tables_may_join_others_but_not_replace_them() {
    let chosen = Parameters {
        table: vec!["orders".to_owned()],
        ..parameters()
    };
    let mut target = empty_target();
    target
        .objects
        .extend(existing(&[(ObjectKind::Relation, "public", "users")]));
    assert_eq!(messages(&found(&chosen, &target, &[], &toc())), [""; 0]);
    target
        .objects
        .extend(existing(&[(ObjectKind::Relation, "public", "orders")]));
    assert_eq!(
        messages(&found(&chosen, &target, &[], &toc())),
        ["the target already has relation public.orders"]
    );
}

#[test]
fn data_alone_needs_its_tables_to_be_there_and_empty() {
    let toc = toc();
    let data = Parameters {
        data_only: true,
        table: vec!["users".to_owned(), "orders".to_owned()],
        ..parameters()
    };
    let mut target = empty_target();
    target
        .objects
        .extend(existing(&[(ObjectKind::Relation, "public", "users")]));
    let selection = select(&toc, &data, &target.objects).unwrap();
    let findings = check(Situation {
        facts: &facts(&[]),
        toc: &toc,
        selection: &selection,
        parameters: &data,
        target: &target,
        place: &Place::Ready,
        filled: &[("public".to_owned(), "users".to_owned())],
    });
    assert_eq!(
        messages(&findings),
        [
            "the target lacks tables to load into: relation public.orders",
            "tables to load into hold rows already: public.users",
        ]
    );
}

#[test]
fn an_older_target_is_warned_of() {
    let mut target = empty_target();
    target.version = 130_020;
    let findings = found(&parameters(), &target, &[], &toc());
    assert_eq!(findings.problems, []);
    assert!(findings.warnings[0].contains("the backup is of PostgreSQL 15 and the target is 13"));
}
