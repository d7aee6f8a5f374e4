//! Computes for ever.

use attack::attack;

attack!(|_| loop {
    std::hint::spin_loop();
});
