import Inference
import Parallel
import Synchronization
import Volumes

/// `fsl.bedpostX/merged_{th,ph,f}{1,2,3}samples.nii.gz`: th, ph and f of each fibre in every draw. In a draw that lacks
/// the fibre f is 0 and the direction that of another draw (`SampleDirections`): probtrackx2 stops where it finds th =
/// 0 or ph = 0, whatever f.
///
/// The archive keeps a voxel's draws together and a file keeps a draw's voxels together. All nine files grow at once,
/// eight draws at a time, so that the archive is read through once and not once for each of their volumes. Memory: 9 ·
/// 8 values a voxel, and one volume a thread.
struct FSLSamples {
    let context: OutputContext
    private static let letters = ["th", "ph", "f"], step = 8

    /// Volumes to write.
    var cost: Int { Self.letters.count * context.fibres * context.sampleCount }

    /// - Returns: how many fitted voxels have no direction, so that probtrackx2 stops there.
    func write(threads: Int, counter: ProgressCounter) throws -> Int {
        let without = Atomic<Int>(0)
        let mask = context.mask, n = mask.count, all = context.sampleCount
        let images = try (0..<context.fibres).flatMap { k in
            try Self.letters.map { letter in
                let path = "\(context.directory)/\(context.fslPlace)merged_\(letter)\(k + 1)samples.nii.gz"
                return try GrowingImage(
                    path, mask: mask, trailing: [all], description: context.provenance.shortDescription)
            }
        }
        var block = [Float](repeating: 0, count: images.count * Self.step * n)
        for start in stride(from: 0, to: all, by: Self.step) {
            let samples = start..<min(start + Self.step, all)
            try block.withUnsafeMutableBufferPointer { block in
                without.add(try fill(block.baseAddress!, samples, threads: threads), ordering: .relaxed)
                nonisolated(unsafe) let images = images, block = block.baseAddress!
                try forEachInParallel(images.count, threads: threads) { i in
                    try images[i].append(
                        UnsafeBufferPointer(start: block + i * Self.step * n, count: samples.count * n))
                    counter.add(samples.count)
                }
            }
        }
        for image in images { try image.finish() }
        return without.load(ordering: .relaxed)
    }

    /// Fills `block`, files × `step` × voxels, with some draws.
    /// - Returns: with the first draw, how many fitted voxels have no direction.
    private func fill(_ block: UnsafeMutablePointer<Float>, _ samples: Range<Int>, threads: Int) throws -> Int {
        let without = Atomic<Int>(0)
        let frame = DirectionConversion(to: .fsl, of: context.geometry.affine), n = context.mask.count,
            fibres = context.fibres
        let parts = context.archive.shards.flatMap { shard in
            stride(from: 0, to: shard.count, by: 1024).map { (shard: shard, voxels: $0..<min($0 + 1024, shard.count)) }
        }
        // Disjoint voxels.
        nonisolated(unsafe) let block = block
        try forEachInParallel(parts.count, threads: threads) { part in
            let (shard, voxels) = parts[part], letters = Self.step * n
            var directions = SampleDirections(context)
            for k in 0..<fibres {
                let file = block + 3 * k * letters
                for i in voxels {
                    directions.find(shard, i, fibre: k)
                    if k == 0, samples.lowerBound == 0, directions[0] == .zero,
                        context.summary.isFitted(shard.first + i)
                    {
                        without.add(1, ordering: .relaxed)
                    }
                    for s in samples {
                        let place = file + (s - samples.lowerBound) * n + shard.first + i, axis = frame(directions[s])
                        guard axis != .zero else {
                            (place[0], place[letters]) = (0, 0)
                            continue
                        }
                        place[0] = FSLOutputs.present(FSLOutputs.inclination(axis))
                        place[letters] = FSLOutputs.present(FSLOutputs.azimuth(axis))
                    }
                }
            }
            context.forEachDraw(shard, voxels, samples) { v, s, draw in
                for k in 0..<fibres {
                    block[(3 * k + 2) * letters + (s - samples.lowerBound) * n + v] = draw[k]?.fraction ?? 0
                }
            }
        }
        return without.load(ordering: .relaxed)
    }
}
