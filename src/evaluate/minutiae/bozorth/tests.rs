use super::*;
use crate::evaluate::minutiae::points::{Kind, Minutia};

/// Prints, and the scores that NIST's C program gives for each against each.
fn reference() -> (Vec<Minutiae>, Vec<Vec<u32>>) {
    let (mut prints, mut scores) = (Vec::new(), Vec::new());
    for line in include_str!("reference.txt").lines().filter(|line| !line.starts_with('#')) {
        let (head, rest) = line.split_once(':').unwrap();
        let numbers = |text: &str, separator| {
            text.split(separator).filter_map(|part: &str| part.parse().ok()).collect::<Vec<u32>>()
        };
        if head == "scores" {
            scores.push(numbers(rest, ' '));
            continue;
        }
        let sides = numbers(head, ' ');
        let points = rest.split_whitespace().map(|text| {
            let [x, y, direction, quality] = numbers(text, ',')[..] else { panic!("{text}") };
            let kind = if text.contains(",b,") { Kind::Bifurcation } else { Kind::Ending };
            Minutia {
                x: x as u16,
                y: y as u16,
                direction: direction as u8,
                kind,
                quality: quality as u8,
            }
        });
        let (width, height) = (sides[0] as u16, sides[1] as u16);
        prints.push(Minutiae { width, height, margin: 16, points: points.collect() });
    }
    (prints, scores)
}

#[test]
fn scores_are_those_of_the_c_program() {
    let (prints, scores) = reference();
    assert_eq!(prints.len(), 8);
    let templates: Vec<Template> = prints.iter().map(Template::new).collect();
    for (probe, row) in templates.iter().zip(&scores) {
        let found: Vec<u32> = templates.iter().map(|other| probe.score(other)).collect();
        assert_eq!(&found, row);
    }
}

#[test]
fn a_moved_print_scores_as_one_left_in_place() {
    let (prints, scores) = reference();
    let mut moved = prints[1].clone();
    moved.height += 300;
    for point in &mut moved.points {
        point.x += 411;
        point.y += 37;
    }
    assert_eq!(match_score(&prints[0], &moved), scores[0][1]);
    assert_eq!(match_score(&moved, &prints[0]), scores[1][0]);
}

#[test]
fn a_print_turned_by_a_right_angle_still_matches() {
    let (prints, scores) = reference();
    let print = &prints[0];
    let mut turned = print.clone();
    (turned.width, turned.height) = (print.height, print.width);
    for point in &mut turned.points {
        (point.x, point.y) = (print.height - point.y, point.x);
        point.direction = (point.direction + 8) % 32;
    }
    let score = match_score(print, &turned);
    assert!(score > 100 && score * 2 > scores[0][0], "{score} against {}", scores[0][0]);
}

#[test]
fn the_order_of_the_list_does_not_matter() {
    let (prints, scores) = reference();
    let mut reversed = prints[4].clone();
    reversed.points.reverse();
    assert_eq!(match_score(&reversed, &prints[5]), scores[4][5]);
}

#[test]
fn too_few_minutiae_score_zero_and_too_many_are_cut_to_the_best() {
    let (prints, _) = reference();
    let empty = Minutiae { width: 272, height: 290, margin: 16, points: Vec::new() };
    assert_eq!(match_score(&empty, &empty), 0);
    let mut few = prints[0].clone();
    few.points.truncate(MIN_MINUTIAE - 1);
    assert_eq!(match_score(&few, &few), 0);
    few.points = prints[0].points[..MIN_MINUTIAE].to_vec();
    assert!(match_score(&few, &few) > 0);

    let mut many = prints[0].clone();
    for index in 0..200u16 {
        let (x, y) = (index % 20 * 13, index / 20 * 26);
        many.points.push(Minutia { x, y, quality: 1, ..prints[0].points[0] });
    }
    let template = Template::new(&many);
    assert_eq!(template.count(), MAX_MINUTIAE);
    let best: Vec<_> = Template::new(&prints[0]).points;
    assert!(best.iter().all(|point| template.points.contains(point)));
}

#[test]
fn sets_made_to_confuse_end_soon_and_give_a_number() {
    let point =
        |x: u16, y: u16, direction| Minutia { x, y, direction, kind: Kind::Ending, quality: 50 };
    let grid: Vec<_> = (0..40).map(|i| point(20 + i % 7 * 9, 20 + i / 7 * 9, 4)).collect();
    let pile: Vec<_> = (0..150).map(|_| point(100, 100, 31)).collect();
    let line: Vec<_> = (0..150).map(|i| point(60 + 3 * i, 77, (i % 32) as u8)).collect();
    let sets = [grid, pile, line]
        .map(|points| Template::new(&Minutiae { width: 700, height: 300, margin: 16, points }));
    for a in &sets {
        for b in &sets {
            let score = a.score(b);
            assert!(score <= OVERFLOW_SCORE.max(19_999), "{score}");
        }
    }
}

#[test]
fn angles_are_averaged_across_the_seam() {
    let mean = |angles: &[i32]| mean_angle(angles.iter().copied());
    assert_eq!(mean(&[10, 20, 31]), 20);
    assert_eq!(mean(&[-10, -21]), -16);
    assert_eq!(mean(&[-3, 4]), 1);
    assert_eq!(mean(&[179, -179]), 180);
    assert_eq!(mean(&[170, -150]), -170);
    assert_eq!(theta(0), -90);
    assert_eq!(theta(8), 180);
    assert_eq!(theta(16), 90);
    assert_eq!(theta(24), 0);
    assert!(turned(0, 12) && !turned(0, 11) && !turned(175, -175) && turned(175, -173));
}
