//! CREATE COLLATION.

use super::writer::{Standalone, Writer};
use crate::identifiers::quote_literal;
use crate::model::Collation;

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let collation = &writer.catalog.collations[at];
    let name = collation.header.qualified();
    let object = Standalone::new(
        "COLLATION",
        format!("CREATE COLLATION {name} ({});\n", options(collation)),
        format!("DROP COLLATION {name};\n"),
    );
    writer.add_standalone(dump_id, &collation.header, None, object);
}

fn options(collation: &Collation) -> String {
    let mut options = vec![format!(
        "provider = {}",
        match collation.provider {
            'b' => "builtin",
            'i' => "icu",
            'd' => "default",
            _ => "libc",
        }
    )];
    let mut set = |name: &str, value: &str| options.push(format!("{name} = {value}"));
    if !collation.deterministic {
        set("deterministic", "false");
    }
    if let Some(locale) = &collation.locale {
        set("locale", &quote_literal(locale));
    } else if collation.collate == collation.ctype {
        let locale = collation.collate.as_deref().unwrap_or_default();
        set("locale", &quote_literal(locale));
    } else {
        let (collate, ctype) = (&collation.collate, &collation.ctype);
        set(
            "lc_collate",
            &quote_literal(collate.as_deref().unwrap_or_default()),
        );
        set(
            "lc_ctype",
            &quote_literal(ctype.as_deref().unwrap_or_default()),
        );
    }
    if let Some(rules) = &collation.rules {
        set("rules", &quote_literal(rules));
    }
    options.join(", ")
}
