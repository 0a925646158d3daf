import Diffusion
import Foundation
import Inference
import ModelSpace

/// Posteriors of ball and sticks as tables, all structures and all numbers of a draw: easy to write down, and what
/// format 2 was.
///
/// Shapes: logProbability v × Z, drawStructures v × D, draws v × D × P.
package struct DenseBatch {
    package let drawCount: Int
    package var voxels: [Int32], quality: [UInt8], meanB0: [Float], misfit: [Float]
    package var logProbability: [Float], drawStructures: [UInt8], draws: [Float16]

    package init(voxels: [Int32], drawCount: Int) {
        let v = voxels.count
        self.voxels = voxels
        self.drawCount = drawCount
        quality = Array(repeating: VoxelQuality.notFitted.rawValue, count: v)
        (meanB0, misfit) = (Array(repeating: 0, count: v), Array(repeating: 0, count: v))
        logProbability = Array(repeating: -Float(log(16.0)), count: v * 16)
        drawStructures = Array(repeating: 0, count: v * drawCount)
        draws = Array(repeating: 0, count: v * drawCount * DrawColumn.count)
    }

    package func lists(_ metadata: PosteriorMetadata) -> PosteriorBatch {
        var batch = PosteriorBatch(voxels: voxels)
        (batch.quality, batch.meanB0, batch.misfit) = (quality, meanB0, misfit)
        let all = metadata.structures.rows.map(\.structure), d = drawCount, p = DrawColumn.count
        for i in voxels.indices where !VoxelQuality(rawValue: quality[i]).contains(.notFitted) {
            batch.records[i] = VoxelRecord(
                structures: all, logProbability: logProbability[i * 16..<(i + 1) * 16].map(Double.init),
                drawn: drawStructures[i * d..<(i + 1) * d].map { all[Int($0)] },
                rows: draws[i * d * p..<(i + 1) * d * p].map(Float.init),
                layout: metadata.layout)
        }
        return batch
    }
}

extension PosteriorShard {
    /// What the file holds, as tables; zero for voxels that are not fitted, −∞ for structures that are not listed.
    package var dense: DenseBatch {
        let d = metadata.drawCount, p = DrawColumn.count
        var batch = DenseBatch(voxels: Array(voxels), drawCount: d), posterior = ListedPosterior()
        (batch.quality, batch.meanB0, batch.misfit) = (Array(quality), Array(meanB0), Array(misfit))
        for i in voxels.indices where !VoxelQuality(rawValue: quality[i]).contains(.notFitted) {
            read(i, into: &posterior)
            for z in 0..<16 { batch.logProbability[i * 16 + z] = -.infinity }
            for (z, l) in zip(posterior.rows, posterior.logProbability) { batch.logProbability[i * 16 + z] = l }
            for k in 0..<d { batch.drawStructures[i * d + k] = UInt8(posterior.rows[Int(posterior.drawPlaces[k])]) }
            for k in 0..<d * p { batch.draws[i * d * p + k] = Float16(posterior.draws[k]) }
        }
        return batch
    }
}
