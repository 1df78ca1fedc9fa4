use super::*;
use crate::error::Error;

fn fails(change: impl FnOnce(&mut Document), message: &str) {
    let mut document = whole();
    change(&mut document);
    let error = document.html().unwrap_err();
    assert!(matches!(error, Error::Shape { op: "report", .. }), "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn numbers_that_are_none_are_refused() {
    fails(with_cell(Cell::number(f64::NAN, 2)), "row 2, column 'FID': it holds NaN");
    let interval = |low, high| Cell::Interval { value: 1.0, low, high, digits: 1 };
    fails(with_cell(interval(f64::NEG_INFINITY, 2.0)), "it holds -inf");
    fails(with_cell(interval(2.0, 1.0)), "swapped");
    fails(with_cell(Cell::missing(" ")), "no reason");
    fails(with_cell(Cell::number(1.0, 300)), "300 digits");

    fails(with_plot(Plot::Lines(lines(vec![(0.0, f64::NAN)]))), "it holds NaN");
    fails(with_plot(Plot::Lines(lines(vec![(f64::INFINITY, 1.0)]))), "it holds inf");
    fails(with_plot(Plot::Histograms(histograms(vec![1.0, f64::NAN]))), "'other': it holds NaN");
    fails(with_plot(Plot::Bars(bars(vec![1.0, f64::NAN]))), "'synthetic': it holds NaN");
    let mut map = scatter(3);
    map.groups[7].points[1].1 = f64::NAN;
    fails(with_plot(Plot::Scatter(map)), "'all': it holds NaN");
    let mut log = lines(vec![(1.0, 2.0), (2.0, 0.0)]);
    log.y.log = true;
    fails(with_plot(Plot::Lines(log)), "logarithmic");
}

#[test]
fn what_does_not_fit_is_refused() {
    let sections = |document: &mut Document, ids: [&str; 2]| {
        document.sections[0].id = ids[0].into();
        document.sections[1].id = ids[1].into();
    };
    fails(|document| sections(document, ["same", "same"]), "'same' is taken");
    fails(|document| sections(document, ["a", "summary"]), "'summary' is taken");
    fails(|document| sections(document, ["a", "table-1"]), "'table-1' is taken");
    for id in ["", "1a", "A", "a b", "../a", "ä"] {
        fails(|document| sections(document, ["a", id]), "lower-case");
        let change = |document: &mut Document| {
            document.sections[0]
                .blocks
                .push(Block::Figure(figure(id, Picture::Image(picture(2, 2)))));
        };
        fails(change, "lower-case");
    }
    let twice = Block::Figure(figure("map", Picture::Image(picture(2, 2))));
    fails(|document| document.sections[1].blocks.push(twice), "'map' is there twice");
    let mute = Figure { alt: " ".into(), ..figure("mute", Picture::Image(picture(2, 2))) };
    fails(|document| document.sections[1].blocks.push(Block::Figure(mute)), "alternative text");
    let empty = Block::Figure(figure("empty", Picture::Image(picture(0, 3))));
    fails(|document| document.sections[1].blocks.push(empty), "no pixels");
    let mut short = table();
    short.rows[2].pop();
    fails(|document| document.sections[1].blocks.push(Block::Table(short)), "row 3 has 2 cells");
    fails(with_plot(Plot::Lines(Lines::default())), "no curve");
    fails(with_plot(Plot::Lines(lines(vec![]))), "no points");
    fails(with_plot(Plot::Histograms(histograms(vec![]))), "no values");
    fails(with_plot(Plot::Bars(bars(vec![1.0]))), "1 values for 2 categories");
    fails(with_plot(Plot::Scatter(Scatter::default())), "no points");
    let mut unsorted = histograms(vec![1.0]);
    unsorted.edges[3] = 0.0;
    fails(with_plot(Plot::Histograms(unsorted)), "do not rise");
    let mut ragged = lines(vec![(0.0, 1.0), (1.0, 2.0)]);
    ragged.series[0].band.pop();
    fails(with_plot(Plot::Lines(ragged)), "1 intervals for 2 values");
}
