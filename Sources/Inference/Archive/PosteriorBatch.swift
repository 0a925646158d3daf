/// The posteriors of some voxels, as a fit hands them over to be stored.
///
/// Shapes: v voxels.
public struct PosteriorBatch: Sendable {
    /// [v] index in the image, x fastest, ascending.
    public var voxels: [Int32]
    /// [v] `VoxelQuality` bits.
    public var quality: [UInt8]
    /// [v] mean b≈0 signal in scanner units; 0 where there is none.
    public var meanB0: [Float]
    /// [v] posterior-predictive misfit; finite.
    public var misfit: [Float]
    /// [v] nil for voxels that are not fitted.
    public var records: [VoxelRecord?]

    /// Room for `voxels`, none of them fitted yet.
    public init(voxels: [Int32]) {
        let v = voxels.count
        self.voxels = voxels
        quality = Array(repeating: VoxelQuality.notFitted.rawValue, count: v)
        meanB0 = Array(repeating: 0, count: v)
        misfit = Array(repeating: 0, count: v)
        records = Array(repeating: nil, count: v)
    }

    /// What a file holds.
    public init(_ shard: PosteriorShard) {
        voxels = Array(shard.voxels)
        quality = Array(shard.quality)
        meanB0 = Array(shard.meanB0)
        misfit = Array(shard.misfit)
        records = (0..<shard.count).map { shard.record($0) }
    }

    /// The voxels of several files of one fit, ascending, each once.
    public init(joining files: [PosteriorShard]) {
        let batches = files.map { PosteriorBatch($0) }
        var places: [Int32: (file: Int, row: Int)] = [:]
        for (f, batch) in batches.enumerated() {
            for (row, voxel) in batch.voxels.enumerated() { places[voxel] = (f, row) }
        }
        let voxels = places.keys.sorted()
        self.init(voxels: voxels)
        for (i, voxel) in voxels.enumerated() {
            let (f, row) = places[voxel]!
            put(batches[f], row, at: i)
        }
    }

    /// Puts a voxel of another batch in a place of this.
    mutating func put(_ other: PosteriorBatch, _ row: Int, at place: Int) {
        voxels[place] = other.voxels[row]
        quality[place] = other.quality[row]
        meanB0[place] = other.meanB0[row]
        misfit[place] = other.misfit[row]
        records[place] = other.records[row]
    }

    /// Some of the voxels, in the order given.
    func selecting(_ places: [Int]) -> PosteriorBatch {
        var batch = PosteriorBatch(voxels: places.map { voxels[$0] })
        for (k, i) in places.enumerated() { batch.put(self, i, at: k) }
        return batch
    }
}
