//! Text search: parsers, templates, dictionaries, configurations.

use std::collections::HashMap;

use super::rows::Reader;
use super::sql::regproc;
use crate::error::Error;
use crate::model::{Dictionary, Mapping, Parser, Template, TextSearchConfiguration, class};
use crate::selection::Selection;

pub fn parsers(reader: &mut Reader<'_>, selection: &Selection<'_>) -> Result<Vec<Parser>, Error> {
    let mut parsers = Vec::new();
    let headline = regproc("prsheadline");
    reader.rows(
        "text search parsers",
        &[
            "oid",
            "prsname",
            "prsnamespace",
            "NULL",
            "prsstart",
            "prstoken",
            "prsend",
            &headline,
            "prslextype",
        ],
        "FROM pg_ts_parser WHERE oid >= 16384 ORDER BY oid",
        |row| {
            parsers.push(Parser {
                header: row.header(class::TS_PARSER, selection)?,
                start: row.text()?,
                get_token: row.text()?,
                end: row.text()?,
                headline: row.optional()?,
                token_types: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(parsers)
}

pub fn templates(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<Template>, Error> {
    let mut templates = Vec::new();
    let init = regproc("tmplinit");
    reader.rows(
        "text search templates",
        &[
            "oid",
            "tmplname",
            "tmplnamespace",
            "NULL",
            &init,
            "tmpllexize",
        ],
        "FROM pg_ts_template WHERE oid >= 16384 ORDER BY oid",
        |row| {
            templates.push(Template {
                header: row.header(class::TS_TEMPLATE, selection)?,
                init: row.optional()?,
                lexize: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(templates)
}

pub fn dictionaries(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<Dictionary>, Error> {
    let mut dictionaries = Vec::new();
    reader.rows(
        "text search dictionaries",
        &[
            "d.oid",
            "d.dictname",
            "d.dictnamespace",
            "d.dictowner",
            "quote_ident(n.nspname) || '.' || quote_ident(t.tmplname)",
            "d.dictinitoption",
        ],
        "FROM pg_ts_dict d JOIN pg_ts_template t ON t.oid = d.dicttemplate JOIN pg_namespace n ON n.oid = t.tmplnamespace \
         WHERE d.oid >= 16384 ORDER BY d.oid",
        |row| {
            dictionaries.push(Dictionary {
                header: row.header(class::TS_DICT, selection)?,
                template: row.text()?,
                options: row.optional()?,
            });
            Ok(())
        },
    )?;
    Ok(dictionaries)
}

pub fn configurations(
    reader: &mut Reader<'_>,
    selection: &Selection<'_>,
) -> Result<Vec<TextSearchConfiguration>, Error> {
    let mut mappings = mappings(reader)?;
    let mut configurations = Vec::new();
    reader.rows(
        "text search configurations",
        &[
            "c.oid",
            "c.cfgname",
            "c.cfgnamespace",
            "c.cfgowner",
            "quote_ident(n.nspname) || '.' || quote_ident(p.prsname)",
        ],
        "FROM pg_ts_config c JOIN pg_ts_parser p ON p.oid = c.cfgparser JOIN pg_namespace n ON n.oid = p.prsnamespace \
         WHERE c.oid >= 16384 ORDER BY c.oid",
        |row| {
            let header = row.header(class::TS_CONFIG, selection)?;
            configurations.push(TextSearchConfiguration {
                mappings: mappings.remove(&header.id.oid).unwrap_or_default(),
                header,
                parser: row.text()?,
            });
            Ok(())
        },
    )?;
    Ok(configurations)
}

/// By configuration: each type of tokens with its dictionaries, in order.
fn mappings(reader: &mut Reader<'_>) -> Result<HashMap<u32, Vec<Mapping>>, Error> {
    let mut mappings: HashMap<u32, Vec<Mapping>> = HashMap::new();
    reader.rows(
        "mappings of text search configurations",
        &["m.mapcfg", "t.alias", "m.mapdict::regdictionary"],
        // A parser names its types of tokens by a function of its own.
        "FROM pg_ts_config_map m JOIN pg_ts_config c ON c.oid = m.mapcfg \
         CROSS JOIN LATERAL ts_token_type(c.cfgparser) AS t WHERE m.mapcfg >= 16384 AND t.tokid = m.maptokentype \
         ORDER BY m.mapcfg, m.maptokentype, m.mapseqno",
        |row| {
            let of_configuration = mappings.entry(row.oid()?).or_default();
            let (token, dictionary) = (row.text()?, row.text()?);
            match of_configuration.last_mut() {
                Some(last) if last.token == token => last.dictionaries.push(dictionary),
                _ => of_configuration.push(Mapping {
                    token,
                    dictionaries: vec![dictionary],
                }),
            }
            Ok(())
        },
    )?;
    Ok(mappings)
}
