extension Mask {
    /// The values of a 3-D map in the mask's voxels, in their order; what is not finite or below 0 becomes 0.
    ///
    /// Errors: `VolumeError`: `.shapeMismatch`, `.affineMismatch`, `.wrongDimensions`, and those of reading.
    public func values(path: String, of imagePath: String = "the mask") throws -> [Float] {
        let volume = try Volume(path: path)
        try volume.geometry.requireGrid(of: geometry, path: path, reference: imagePath)
        return indices.map { volume.values[$0].isFinite ? max(0, volume.values[$0]) : 0 }
    }
}
