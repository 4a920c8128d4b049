//! Lines of a file: each byte belongs to one, and whoever goes on at a place reads what follows it.
#![no_main]

use downtrend::feed::lines::Lines;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (stop, bytes) = input;
    let mut lines = Lines::new(bytes);
    let (mut numbers, mut place) = (0, None);
    while let Ok(Some(_)) = lines.next_line() {
        numbers += 1;
        if numbers == u64::from(stop) {
            place = Some((lines.place(), numbers));
        }
    }
    if let Some((place, before)) = place {
        let mut rest = Lines::new(bytes);
        assert!(rest.skip_to(&place).expect("memory does not fail"), "nothing has changed");
        let mut after = 0;
        while let Ok(Some(_)) = rest.next_line() {
            after += 1;
        }
        assert_eq!(before + after, numbers);
    }
});
