/// Which values of a mask image mean "inside".
///
/// - One value beside 0, above it (0/1, 0/255): that one. Several whole numbers (a label image, with at most one value
///   below 0 for "nothing"): all above 0.
/// - Anything else was resampled or is a probability: above 0.5, as MRtrix3 rounds; above half of the level inside
///   where that level is not 1 (a 0/255 mask after spline interpolation), the level being the median of the values
///   above half of the largest.
/// Values that are not finite are outside, and so are values below 0: interpolation rings.
struct MaskValues {
    /// Values above this are inside.
    let threshold: Float
    /// What to tell the user, without the file's name; nil for a binary mask.
    let remark: String?

    init(_ values: [Float]) {
        let finite = values.lazy.filter { $0.isFinite && $0 != 0 }
        // Of the values only so many are told apart: more are no labels.
        var labels = Set<Float>(), isWhole = true, largest: Float = 0
        for value in finite {
            if labels.count < 10_000 { labels.insert(value) }
            if value != value.rounded() { isWhole = false }
            largest = max(largest, value)
        }
        let negative = labels.filter { $0 < 0 }.count, positive = labels.count - negative
        func count(_ isIn: (Float) -> Bool) -> Int { finite.reduce(0) { $0 + (isIn($1) ? 1 : 0) } }
        if negative == 0, positive <= 1 {
            threshold = 0
            remark = labels.first.flatMap {
                $0 > 0.5
                    ? nil
                    : "its only value beside 0 is \(VolumeError.number(Double($0))); the voxels that have it count"
            }
            return
        }
        if isWhole, negative <= 1 {
            threshold = 0.5
            remark =
                "it holds \(positive) different values above 0"
                + (negative > 0 ? " and \(count { $0 < 0 }) voxels below 0" : "")
                + "; the \(count { $0 > 0.5 }) voxels above 0 count"
            return
        }
        let upper = finite.filter { $0 > largest / 2 }.sorted()
        let level = upper.isEmpty ? 1 : upper[upper.count / 2]
        let half = level > 1.5 ? level / 2 : 0.5
        threshold = half
        let number = VolumeError.number(Double(half))
        remark =
            """
            it is not binary (\(count { $0 > half }) voxels are above \(number), \(count { $0 > 0 && $0 <= half }) \
            lie between 0 and \(number), \(count { $0 < 0 }) are negative); those above \(number) count
            """
    }
}
