//! What a step chooses: a few small numbers, and the meaning that the state of the database gives them.

/// How many numbers a step draws; what it needs beyond them follows from these.
pub const DRAWN: usize = 6;

/// The numbers of one step, taken one after the other. Zeros are the simplest choice throughout.
#[derive(Clone, Debug)]
pub struct Choices {
    drawn: [u16; DRAWN],
    taken: u64,
}

impl Choices {
    /// The choices of a step.
    pub fn new(drawn: [u16; DRAWN]) -> Self {
        Self { drawn, taken: 0 }
    }

    fn take(&mut self) -> u64 {
        let at = self.taken;
        self.taken += 1;
        if let Some(drawn) = usize::try_from(at).ok().and_then(|at| self.drawn.get(at)) {
            return u64::from(*drawn);
        }
        if self.drawn.iter().all(|drawn| *drawn == 0) {
            return 0;
        }
        let all = self
            .drawn
            .iter()
            .fold(at, |all, drawn| mixed(all ^ u64::from(*drawn)));
        all & 0xffff
    }

    /// A number below this one.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("a small number");
        usize::try_from(self.take() % limit).expect("a small number")
    }

    /// Whether something happens that does so in these cases of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    /// One of several.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// One of several objects, each with its key. Those that were not chosen may go without changing what is chosen: so a schema shrinks
    /// step by step.
    pub fn of<T>(&mut self, candidates: impl IntoIterator<Item = (T, u16)>) -> Option<T> {
        let choice = self.take();
        candidates
            .into_iter()
            .min_by_key(|(_, key)| mixed(choice << 20 ^ u64::from(*key)))
            .map(|(candidate, _)| candidate)
    }
}

/// A number spread over all bits: the finalizer of splitmix64.
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
