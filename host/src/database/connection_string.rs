//! A connection string taken apart into libpq parameters: a URL (`postgresql://…`) or keywords (`host=… dbname=…`).
//!
//! Source: PostgreSQL's `src/interfaces/libpq/fe-connect.c`, `conninfo_uri_parse_options` and `conninfo_parse`.
//! No error quotes a part of the string, since any part may turn out to be a piece of an unescaped password.

use super::settings::SettingsError;

/// Parameters in the order in which they were given: name and decoded value.
pub(super) type Parameters = Vec<(String, String)>;

/// Takes a URL or a keyword string apart. Names are not checked here.
pub(super) fn parse(text: &str) -> Result<Parameters, SettingsError> {
    let text = text.trim();
    match text
        .strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"))
    {
        Some(rest) => parse_url(rest),
        None if text.contains("://") => Err(SettingsError::new(
            "the connection URL begins with another scheme than postgresql://",
            "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        )),
        None => parse_keywords(text),
    }
}

fn parse_url(rest: &str) -> Result<Parameters, SettingsError> {
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let (authority, database) = match before_query.split_once('/') {
        Some((authority, database)) => (authority, Some(database)),
        None => (before_query, None),
    };
    let mut parameters = Parameters::new();
    let hosts = match authority.split_once('@') {
        Some((credentials, hosts)) => {
            parse_credentials(credentials, &mut parameters)?;
            hosts
        }
        // An unescaped '/' or '?' in the password ends the authority early, and leaves the '@' behind it.
        None if before_query.contains('@') => return Err(unescaped()),
        None => authority,
    };
    if hosts.contains('@') {
        return Err(unescaped());
    }
    parse_hosts(hosts, &mut parameters)?;
    if let Some(database) = database.filter(|name| !name.is_empty()) {
        parameters.push(("dbname".to_owned(), decode(database)?));
    }
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            SettingsError::new(
                "a parameter in the query of the connection URL has no value",
                "write ?NAME=VALUE&NAME=VALUE",
            )
        })?;
        let (name, value) = (decode(name)?, decode(value)?);
        if name.contains(['@', '/', ':']) {
            return Err(unescaped());
        }
        // libpq takes JDBC's ssl=true in URLs for sslmode=require.
        match (name.as_str(), value.as_str()) {
            ("ssl", "true") => parameters.push(("sslmode".to_owned(), "require".to_owned())),
            _ => parameters.push((name, value)),
        }
    }
    Ok(parameters)
}

fn parse_credentials(credentials: &str, parameters: &mut Parameters) -> Result<(), SettingsError> {
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    if !user.is_empty() {
        parameters.push(("user".to_owned(), decode(user)?));
    }
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        parameters.push(("password".to_owned(), decode(password)?));
    }
    Ok(())
}

/// `host1:port1,host2,[::1]:port3`; an absent host or port stays empty in its list, as libpq has it.
fn parse_hosts(text: &str, parameters: &mut Parameters) -> Result<(), SettingsError> {
    if text.is_empty() {
        return Ok(());
    }
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for part in text.split(',') {
        let (host, port) = match part.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or_else(|| {
                    SettingsError::new(
                        "an IPv6 address in the connection URL has no closing bracket",
                        "write it as [::1]:5432",
                    )
                })?;
                (address, after.strip_prefix(':').unwrap_or(after))
            }
            None => part.split_once(':').unwrap_or((part, "")),
        };
        if !port.is_empty() && port.parse::<u16>().is_err() {
            return Err(SettingsError::new(
                "the port in the connection URL is not a number between 1 and 65535",
                ESCAPE_HINT,
            ));
        }
        hosts.push(decode(host)?);
        ports.push(port);
    }
    if hosts.iter().any(|host| !host.is_empty()) {
        parameters.push(("host".to_owned(), hosts.join(",")));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        parameters.push(("port".to_owned(), ports.join(",")));
    }
    Ok(())
}

/// `name = value` pairs between spaces; `'…'` around a value with spaces, `\` before a quote or a backslash.
fn parse_keywords(text: &str) -> Result<Parameters, SettingsError> {
    let malformed = |message: &str| {
        SettingsError::new(
            message,
            "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or as host=HOST dbname=DATABASE user=USER",
        )
    };
    let mut parameters = Parameters::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        if characters.peek().is_none() {
            return Ok(parameters);
        }
        let mut name = String::new();
        while let Some(c) = characters.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(c);
        }
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        if characters.next() != Some('=') {
            return Err(malformed(
                "the connection string is neither a URL nor a list of keyword=value",
            ));
        }
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = characters.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match characters.next() {
                Some('\\') => value.extend(characters.next()),
                Some('\'') if quoted => break,
                Some(c) if !quoted && c.is_whitespace() => break,
                Some(c) => value.push(c),
                None if quoted => {
                    return Err(malformed(
                        "a quoted value in the connection string has no end",
                    ));
                }
                None => break,
            }
        }
        parameters.push((name, value));
    }
}

const ESCAPE_HINT: &str = "in the user name and the password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25";

fn unescaped() -> SettingsError {
    SettingsError::new(
        "the connection URL holds an @ where none can be, as when a password is not percent-encoded",
        ESCAPE_HINT,
    )
}

/// RFC 3986, section 2.1.
fn decode(text: &str) -> Result<String, SettingsError> {
    let invalid = || {
        SettingsError::new(
            "the connection URL holds a % that begins no two hexadecimal digits of UTF-8",
            ESCAPE_HINT,
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = after.get(..2).ok_or_else(invalid)?;
            bytes.push(
                *hex::decode(digits)
                    .map_err(|_| invalid())?
                    .first()
                    .ok_or_else(invalid)?,
            );
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    if text.contains('\0') {
        Err(invalid())
    } else {
        Ok(text)
    }
}

/// The inverse of `decode`, for what is printed.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap()
    }

    fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn urls_of_libpqs_manual() {
        assert_eq!(pairs("postgresql://"), []);
        assert_eq!(pairs("postgresql:///mydb"), owned(&[("dbname", "mydb")]));
        assert_eq!(
            pairs("postgresql://user:secret@localhost"),
            owned(&[
                ("user", "user"),
                ("password", "secret"),
                ("host", "localhost")
            ])
        );
        assert_eq!(
            pairs(
                "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=my%20app"
            ),
            owned(&[
                ("host", "host1,host2"),
                ("port", "123,456"),
                ("dbname", "somedb"),
                ("target_session_attrs", "any"),
                ("application_name", "my app")
            ])
        );
        assert_eq!(
            pairs("postgresql://[2001:db8::1234]:5433/d"),
            owned(&[
                ("host", "2001:db8::1234"),
                ("port", "5433"),
                ("dbname", "d")
            ])
        );
        assert_eq!(
            pairs("postgresql://%2Fvar%2Flib%2Fpostgresql/d"),
            owned(&[("host", "/var/lib/postgresql"), ("dbname", "d")])
        );
        assert_eq!(
            pairs("postgresql://a,b:1/d"),
            owned(&[("host", "a,b"), ("port", ",1"), ("dbname", "d")])
        );
        assert_eq!(
            pairs("postgres://h/d?ssl=true"),
            owned(&[("host", "h"), ("dbname", "d"), ("sslmode", "require")])
        );
    }

    #[test]
    fn keywords_of_libpqs_manual() {
        assert_eq!(
            pairs(r"host = localhost port=5432 dbname='my db' password='it\'s \\'"),
            owned(&[
                ("host", "localhost"),
                ("port", "5432"),
                ("dbname", "my db"),
                ("password", r"it's \")
            ])
        );
        assert_eq!(
            pairs("password='' user=a"),
            owned(&[("password", ""), ("user", "a")])
        );
    }

    #[test]
    fn errors_quote_nothing_of_a_password() {
        for url in [
            "postgres://u:hu@nter2@h/d",
            "postgres://u:hu/nter2@h/d",
            "postgres://u:hunter2?x=nter2@h/d",
            "postgres://u:hu%nter2@h/d",
            "mysql://u:hunter2@h/d",
            "password='hunter2",
            "hunter2",
        ] {
            let error = parse(url).expect_err(url);
            let printed = format!("{error} {error:?}");
            assert!(!printed.contains("nter2"), "{printed}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(user in "\\PC+", password in "\\PC+", database in "\\PC+") {
            let url = format!("postgresql://{}:{}@localhost/{}", encode(&user), encode(&password), encode(&database));
            prop_assert_eq!(pairs(&url), owned(&[("user", &user), ("password", &password), ("host", "localhost"), ("dbname", &database)]));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(&text);
            let _ = parse(&format!("postgres://{text}"));
        }
    }
}
