/** Where contents of files and large bodies of requests are kept: the same settings at every ingress, worker and tasks process. */
import { z } from 'zod';

export const filesSettings = {
  PENSTOCK_FILES_DIR: z
    .string()
    .default('.penstock/files')
    .describe(
      'Directory of file contents and of large request bodies: one that all ingress nodes, workers and tasks processes share. With a bucket, where uploads are buffered.',
    ),
  PENSTOCK_FILES_S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,62}$/, 'give the name of a bucket')
    .optional()
    .describe('Bucket for all of it, instead of the directory.'),
  PENSTOCK_FILES_S3_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'give it as http(s)://host:port' })
    .optional()
    .describe('S3-compatible service other than AWS.'),
  PENSTOCK_FILES_S3_CA: z
    .string()
    .optional()
    .describe(
      'Certificates (PEM) of the authorities that sign that of the service, in place of the public ones.',
    ),
  PENSTOCK_FILES_S3_REGION: z.string().default('us-east-1').describe('Region of the bucket.'),
  PENSTOCK_FILES_S3_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_./-]{0,200}$/, 'use up to 200 characters of A-Z, a-z, 0-9, _ . / -')
    .default('penstock/')
    .describe('Prefix of every key in the bucket.'),
  PENSTOCK_FILES_S3_ACCESS_KEY_ID: z
    .string()
    .optional()
    .describe('Credentials; if absent, the AWS SDK uses its default sources.'),
  PENSTOCK_FILES_S3_SECRET_ACCESS_KEY: z.string().optional().describe('The secret of that access key.'),
  PENSTOCK_FILES_S3_SSE: z
    .enum(['AES256', 'aws:kms'], { error: 'give AES256 or aws:kms' })
    .optional()
    .describe(
      'Encryption that the bucket is asked for with each object: AES256 (keys of the service), or aws:kms, as with a key for that. If absent, what the bucket does by itself.',
    ),
  PENSTOCK_FILES_S3_SSE_KMS_KEY: z
    .string()
    .regex(/^[A-Za-z0-9:/_-]{1,2048}$/, 'give the id, alias or ARN of a key')
    .optional()
    .describe('Key of KMS, by id, alias or ARN. If absent, aws:kms takes the one of the account for S3.'),
};
type Settings = z.infer<z.ZodObject<typeof filesSettings>>;

/** The settings of the bucket, or null where files are kept in the directory. */
export function bucketOf(settings: Settings) {
  const { PENSTOCK_FILES_S3_BUCKET: bucket } = settings;
  if (bucket === undefined) return null;
  const accessKeyId = settings.PENSTOCK_FILES_S3_ACCESS_KEY_ID;
  const secretAccessKey = settings.PENSTOCK_FILES_S3_SECRET_ACCESS_KEY;
  const { PENSTOCK_FILES_S3_SSE: algorithm, PENSTOCK_FILES_S3_SSE_KMS_KEY: kmsKey } = settings;
  const isEncrypted = algorithm !== undefined || kmsKey !== undefined;
  const isGiven = accessKeyId !== undefined && secretAccessKey !== undefined;
  return {
    bucket,
    endpoint: settings.PENSTOCK_FILES_S3_ENDPOINT,
    ca: settings.PENSTOCK_FILES_S3_CA,
    region: settings.PENSTOCK_FILES_S3_REGION,
    prefix: settings.PENSTOCK_FILES_S3_PREFIX,
    credentials: isGiven ? { accessKeyId, secretAccessKey } : undefined,
    encryption: isEncrypted ? { algorithm: algorithm ?? ('aws:kms' as const), kmsKey } : undefined,
    uploadDirectory: settings.PENSTOCK_FILES_DIR,
  };
}
