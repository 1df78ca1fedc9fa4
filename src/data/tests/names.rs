//! SOCOFing's file names.

use crate::data::socofing::{Alteration, AlteredLevel, Finger, Gender, Hand, SocofingName};
use proptest::prelude::*;

fn any_name() -> impl Strategy<Value = SocofingName> {
    let gender = prop_oneof![Just(Gender::Male), Just(Gender::Female)];
    let hand = prop_oneof![Just(Hand::Left), Just(Hand::Right)];
    let finger = prop::sample::select(vec![
        Finger::Thumb,
        Finger::Index,
        Finger::Middle,
        Finger::Ring,
        Finger::Little,
    ]);
    let alteration = prop::sample::select(vec![
        Alteration::None,
        Alteration::CentralRotation,
        Alteration::Obliteration,
        Alteration::ZCut,
    ]);
    (any::<u32>(), gender, hand, finger, alteration, 1u32..).prop_map(
        |(subject, gender, hand, finger, alteration, impression)| SocofingName {
            subject,
            gender,
            hand,
            finger,
            alteration,
            impression,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_is_read_back(name in any_name(), extension in "(\\.(BMP|bmp|png))?") {
        prop_assert_eq!(SocofingName::parse(&format!("{name}{extension}")), Some(name));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = SocofingName::parse(&text);
        let _ = AlteredLevel::from_path(&text);
    }

    /// Near misses: a valid name with one character put in, taken out or replaced.
    #[test]
    fn a_damaged_name_is_refused_or_reads_as_another_valid_one(
        name in any_name(), at in 0usize..60, with in any::<char>(), cut in 0usize..2,
    ) {
        let mut text: Vec<char> = name.to_string().chars().collect();
        let at = at.min(text.len() - 1);
        text.splice(at..at + cut, [with]);
        let text: String = text.into_iter().collect();
        if let Some(read) = SocofingName::parse(&text) {
            prop_assert_eq!(SocofingName::parse(&read.to_string()), Some(read));
        }
    }
}

#[test]
fn names_of_the_real_set_are_understood() {
    let name = SocofingName::parse("100__M_Left_index_finger.BMP").unwrap();
    let expected = SocofingName {
        subject: 100,
        gender: Gender::Male,
        hand: Hand::Left,
        finger: Finger::Index,
        alteration: Alteration::None,
        impression: 1,
    };
    assert_eq!(name, expected);
    let altered = SocofingName::parse("7__F_Right_little_finger_Zcut.BMP").unwrap();
    assert_eq!(altered.alteration, Alteration::ZCut);
    assert_eq!((altered.gender, altered.finger), (Gender::Female, Finger::Little));
    let second = SocofingName::parse("7__F_Right_thumb_finger_imp2.BMP").unwrap();
    assert_eq!((second.impression, second.hand), (2, Hand::Right));
}

#[test]
fn other_names_are_not() {
    for text in [
        "",
        "_",
        "__",
        "100_M_Left_index_finger",
        "+1__M_Left_index_finger",
        "-1__M_Left_index_finger",
        "__M_Left_index_finger",
        "4294967296__M_Left_index_finger",
        "1__X_Left_index_finger",
        "1__M_Middle_index_finger",
        "1__M_Left_index",
        "1__M_Left_pinky_finger",
        "1__M_Left_index_finger_",
        "1__M_Left_index_finger_CR_CR",
        "1__M_Left_index_finger_imp",
        "1__M_Left_index_finger_imp0",
        "1__M_Left_index_finger_imp2_CR",
        "1__M_Left_index_finger_copy",
    ] {
        assert_eq!(SocofingName::parse(text), None, "{text:?}");
    }
}

#[test]
fn the_level_stands_in_the_folder() {
    let level = AlteredLevel::from_path;
    assert_eq!(level("SOCOFing/Altered/Altered-Easy/1.BMP"), Some(AlteredLevel::Easy));
    assert_eq!(level("altered-hard"), Some(AlteredLevel::Hard));
    assert_eq!(level("Altered-Easy/Altered-Medium/1.BMP"), Some(AlteredLevel::Medium));
    assert_eq!(level("SOCOFing/Real/1.BMP"), None);
}
