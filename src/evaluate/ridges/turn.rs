//! Turning an image about its centre.

/// A `height` × `width` plane turned by `degrees` (clockwise on the screen, y downward) about its
/// centre, by Catmull–Rom interpolation; 0 where it reads outside.
///
/// Bilinear interpolation would take most of the contrast of ridges three pixels wide.
pub(super) fn turned(plane: &[f32], width: usize, height: usize, degrees: f32) -> Vec<f32> {
    if degrees == 0.0 {
        return plane.to_vec();
    }
    let (sin, cos) = degrees.to_radians().sin_cos();
    let centre = [(width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0];
    let mut out = Vec::with_capacity(plane.len());
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f32 - centre[0], y as f32 - centre[1]);
            let (u, v) = (cos * dx + sin * dy + centre[0], cos * dy - sin * dx + centre[1]);
            out.push(sample(plane, width, height, u, v));
        }
    }
    out
}

fn sample(plane: &[f32], width: usize, height: usize, u: f32, v: f32) -> f32 {
    let (left, top) = (u.floor(), v.floor());
    let (across, down) = (weights(u - left), weights(v - top));
    let (left, top) = (left as isize - 1, top as isize - 1);
    let mut sum = 0.0;
    for (row, wy) in (top..).zip(&down) {
        if row < 0 || row >= height as isize {
            continue;
        }
        let line = &plane[row as usize * width..][..width];
        for (column, wx) in (left..).zip(&across) {
            if column >= 0 && column < width as isize {
                sum += wx * wy * line[column as usize];
            }
        }
    }
    sum
}

/// Catmull–Rom's weights of the four samples around a point `t` after the second.
fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        0.5 * (-t3 + 2.0 * t2 - t),
        0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
        0.5 * (-3.0 * t3 + 4.0 * t2 + t),
        0.5 * (t3 - t2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_moves_whole_pixels_clockwise() {
        let plane: Vec<f32> = (0..25).map(|n| ((n * n) % 11) as f32).collect();
        let found = turned(&plane, 5, 5, 90.0);
        for y in 0..5 {
            for x in 0..5 {
                // What was at the left is at the top.
                assert!((found[y * 5 + x] - plane[(4 - x) * 5 + y]).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_parabola_keeps_its_values() {
        // Catmull–Rom is exact for second-degree polynomials.
        let (width, height) = (31, 24);
        let value = |x: f32, y: f32| 0.01 * x * x - 0.02 * x * y + 0.03 * y * y + x - 2.0 * y;
        let centred = |n: usize| ((n % width) as f32 - 15.0, (n / width) as f32 - 11.5);
        let at = |n: usize| centred(n);
        let plane: Vec<f32> = (0..width * height).map(|n| value(at(n).0, at(n).1)).collect();
        let (sin, cos) = 17f32.to_radians().sin_cos();
        for (n, found) in turned(&plane, width, height, 17.0).iter().enumerate() {
            let (x, y) = at(n);
            if x.hypot(y) < 9.0 {
                let known = value(cos * x + sin * y, cos * y - sin * x);
                assert!((found - known).abs() < 2e-4, "{found} {known}");
            }
        }
    }
}
