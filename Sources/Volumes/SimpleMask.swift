extension Mask {
    /// A brain mask from the mean b0 image, for want of a better one: median filter, Otsu's threshold, largest connected part, holes filled.
    ///
    /// The image is cut at its 99th percentile over voxels above 0 and brought to 256 levels; the median runs twice over 5×5×5 voxels.
    /// It follows the head, not the brain alone, where skin or eyes hang together with the brain: a mask from a dedicated tool is better.
    /// Errors: `VolumeError.noBrainFound` when the image is flat, holds nothing above 0, or no part is left.
    /// Accuracy: Dice ≥ 0.85 against the masks that came with the test data (see SimpleMaskTests).
    /// Source: the idea of DIPY's median_otsu (E. Garyfallidis et al., Front. Neuroinform. 8:8, 2014).
    public static func simple(b0 image: Volume) throws -> Mask {
        let positive = image.values.filter { $0.isFinite && $0 > 0 }.sorted()
        guard !positive.isEmpty else { throw VolumeError.noBrainFound(reason: "they hold no value above 0") }
        let top = positive[min(positive.count - 1, positive.count * 99 / 100)]
        let levels = image.values.map { $0.isFinite && $0 > 0 ? UInt8(min(255, $0 / top * 255)) : 0 }
        let shape = image.geometry.shape
        let grid = ByteGrid(x: shape[0], y: shape[1], z: shape[2], values: levels).medianFiltered(radius: 2).medianFiltered(radius: 2)
        guard let threshold = grid.otsuThreshold else { throw VolumeError.noBrainFound(reason: "they have the same value everywhere") }
        let above = ByteGrid(x: grid.x, y: grid.y, z: grid.z, values: grid.values.map { $0 > threshold ? 1 : 0 })
        let filled = above.largestComponent().slicesFilled()
        return Mask(geometry: image.geometry, indices: filled.values.indices.filter { filled.values[$0] != 0 })
    }
}
