//! CREATE STATISTICS.

use archive::Section;

use super::writer::{Standalone, Writer};

pub fn write(writer: &mut Writer<'_>, dump_id: u32, at: usize) {
    let statistics = &writer.catalog.statistics[at];
    let name = statistics.header.qualified();
    let mut sql = format!("{};\n", statistics.definition);
    if let Some(target) = statistics.target {
        sql.push_str(&format!(
            "ALTER STATISTICS {name} SET STATISTICS {target};\n"
        ));
    }
    let object = Standalone {
        section: Section::PostData,
        ..Standalone::new("STATISTICS", sql, format!("DROP STATISTICS {name};\n"))
    };
    writer.add_standalone(dump_id, &statistics.header, None, object);
}
