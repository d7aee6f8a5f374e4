//! Numbers that look random and are always the same.

/// Numbers of one value: the same for the same seed, table, column and row, whatever other columns and rows there are.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Numbers of a column of a row.
    pub fn new(seed: &str, table: &str, column: &str, row: u64) -> Self {
        let mut state = 0xcbf2_9ce4_8422_2325;
        for part in [seed, table, column] {
            // FNV-1a; the byte that UTF-8 never has keeps ("ab", "c") from ("a", "bc").
            for byte in part.bytes().chain([0xff]) {
                state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        let mut numbers = Self(state ^ row.wrapping_mul(0xd6e8_feb8_6659_fd93));
        numbers.bits();
        numbers
    }

    /// 64 bits: SplitMix64 (Steele, Lea and Flood, 2014).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when that is 0. The bias is below 2^-32 for bounds below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `first` to `last`, both included; `first` when `last` is less.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        match u64::try_from(i128::from(last) - i128::from(first)) {
            Ok(u64::MAX) => self.bits() as i64,
            Ok(width) => first.wrapping_add_unsigned(self.below(width + 1)),
            Err(_) => first,
        }
    }

    /// Whether something that happens so often of a hundred times happens.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        assert!(!of.is_empty(), "there is nothing to pick from");
        &of[self.below(of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn a_value_does_not_depend_on_its_neighbours() {
        let of = |table, column, row| Numbers::new("demo", table, column, row).bits();
        assert_eq!(of("User", "name", 3), of("User", "name", 3));
        let others = [
            of("User", "name", 4),
            of("User", "email", 3),
            of("Usern", "ame", 3),
            Numbers::new("other", "User", "name", 3).bits(),
        ];
        assert!(!others.contains(&of("User", "name", 3)));
        // The stored value of a release: seeds stay what they were.
        assert_eq!(of("User", "name", 3), 8_735_492_771_414_329_251);
    }

    #[test]
    fn numbers_reach_both_ends_and_no_further() {
        let drawn: Vec<i64> = (0..1_000)
            .map(|row| Numbers::new("", "", "", row).between(-2, 2))
            .collect();
        for wanted in -2..=2 {
            let count = drawn.iter().filter(|number| **number == wanted).count();
            assert!((120..280).contains(&count), "{wanted}: {count}");
        }
        assert!(drawn.iter().all(|number| (-2..=2).contains(number)));
        let mut numbers = Numbers::new("", "", "", 0);
        assert_eq!(numbers.between(5, 4), 5);
        assert_eq!(numbers.below(0), 0);
        assert!(!numbers.percent(0) && numbers.percent(100));
    }
}
