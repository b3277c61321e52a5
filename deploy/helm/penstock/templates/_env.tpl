{{- /*
Settings, by who reads them: a test holds each name against the services' config.ts. What several processes must agree on comes from
one value.
*/ -}}
{{- define "penstock.env.region" -}}
- { name: PENSTOCK_REGION, value: {{ .Values.region | quote }} }
- { name: PENSTOCK_SHARDS, value: {{ .Values.shards | quote }} }
- { name: PENSTOCK_LOG_LEVEL, value: {{ .Values.logLevel | quote }} }
- { name: PENSTOCK_NATS_URL_FILE, value: /run/penstock/nats-url }
- { name: PENSTOCK_REDIS_URL_FILE, value: /run/penstock/redis-url }
- { name: PENSTOCK_REDIS_REPLICAS, value: {{ int64 .Values.redis.replicas | quote }} }
{{- if .Values.tls.caSecret.name }}
- { name: NODE_EXTRA_CA_CERTS, value: /run/penstock-ca/ca.crt }
{{- end }}
{{- end -}}

{{- /* Of all but the scaler, which reads and writes no contents. */ -}}
{{- define "penstock.env.files" -}}
- { name: PENSTOCK_FILES_DIR, value: /var/lib/penstock/files }
{{- with .Values.files.s3 }}
{{- if .bucket }}
- { name: PENSTOCK_FILES_S3_BUCKET, value: {{ .bucket | quote }} }
- { name: PENSTOCK_FILES_S3_REGION, value: {{ .region | quote }} }
- { name: PENSTOCK_FILES_S3_PREFIX, value: {{ .prefix | quote }} }
{{- with .sse }}
- { name: PENSTOCK_FILES_S3_SSE, value: {{ . | quote }} }
{{- end }}
{{- with .sseKmsKey }}
- { name: PENSTOCK_FILES_S3_SSE_KMS_KEY, value: {{ . | quote }} }
{{- end }}
{{- with .endpoint }}
- { name: PENSTOCK_FILES_S3_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- if .existingSecret }}
- { name: PENSTOCK_FILES_S3_ACCESS_KEY_ID_FILE, value: /run/penstock/s3-access-key-id }
- { name: PENSTOCK_FILES_S3_SECRET_ACCESS_KEY_FILE, value: /run/penstock/s3-secret-access-key }
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "penstock.env.tracing" -}}
{{- with .Values.tracing }}
{{- if .endpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }} }
- { name: OTEL_TRACES_SAMPLER, value: {{ .sampler | quote }} }
- { name: OTEL_TRACES_SAMPLER_ARG, value: {{ .ratio | quote }} }
{{- end }}
{{- end }}
{{- end -}}

{{- /* Of workers, too, but nothing else of encryption. */ -}}
{{- define "penstock.env.workKeys" -}}
{{- if .Values.encryption.workKeys.existingSecret }}
- { name: PENSTOCK_WORK_KEYS_FILE, value: /run/penstock/work-keys }
{{- end }}
{{- end -}}

{{- /* Of ingress nodes and tasks processes. */ -}}
{{- define "penstock.env.encryption" -}}
{{- with .Values.encryption }}
{{- if ne (empty .keys.existingSecret) (empty .workKeys.existingSecret) -}}
{{- fail "encryption.keys.existingSecret and encryption.workKeys.existingSecret belong together: name both or none" -}}
{{- end -}}
{{- if .keys.existingSecret }}
- { name: PENSTOCK_ENCRYPTION_KEYS_FILE, value: /run/penstock/encryption-keys }
- { name: PENSTOCK_ENCRYPTION, value: {{ .mode | quote }} }
- { name: PENSTOCK_ENCRYPT_QUEUE, value: {{ .queue | quote }} }
{{- end }}
{{- end }}
{{- end -}}

{{- /* Of ingress nodes, workers and tasks processes. */ -}}
{{- define "penstock.env.keeping" -}}
- { name: PENSTOCK_RESULT_TTL_S, value: {{ int64 .Values.resultTtlSeconds | quote }} }
- { name: PENSTOCK_EVENTS_TTL_S, value: {{ int64 .Values.eventsTtlSeconds | quote }} }
{{- end -}}

{{- /* Of ingress nodes and workers. */ -}}
{{- define "penstock.env.dispatch" -}}
- { name: PENSTOCK_SIZE_BOUNDARIES, value: {{ .Values.sizeBoundaries | quote }} }
- { name: PENSTOCK_ACK_WAIT_MS, value: {{ int64 .Values.ackWaitMs | quote }} }
- { name: PENSTOCK_TRAIL_SAMPLE, value: {{ .Values.trailSample | quote }} }
{{- end -}}

{{- /* Of ingress nodes and tasks processes. */ -}}
{{- define "penstock.env.requests" -}}
{{- with .Values.models }}
- { name: PENSTOCK_MODEL_ALIASES, value: {{ .aliases | toJson | quote }} }
- { name: PENSTOCK_MODEL_DEFAULTS, value: {{ .defaults | toJson | quote }} }
- { name: PENSTOCK_MODEL_FALLBACKS, value: {{ .fallbacks | toJson | quote }} }
{{- end }}
{{- with .Values.limits }}
- { name: PENSTOCK_PRICES, value: {{ .prices | quote }} }
- { name: PENSTOCK_LIMITS_WITHOUT_REDIS, value: {{ .withoutRedis | quote }} }
{{- end }}
- { name: PENSTOCK_BODY_LIMIT_BYTES, value: {{ int64 .Values.bodyLimitBytes | quote }} }
- { name: PENSTOCK_INLINE_BODY_BYTES, value: {{ int64 .Values.inlineBodyBytes | quote }} }
- { name: PENSTOCK_WEBHOOK_ALLOW, value: {{ join "," .Values.webhookAllow | quote }} }
- { name: PENSTOCK_MEDIA_ALLOW, value: {{ join "," .Values.mediaAllow | quote }} }
- { name: PENSTOCK_ENGINE_FIELDS, value: {{ join "," .Values.engineFields | quote }} }
{{- end -}}

{{- /* Of ingress nodes and tasks processes, and of the console, which shows what is used of them. */ -}}
{{- define "penstock.env.limits" -}}
{{- with .Values.limits }}
- { name: PENSTOCK_LIMITS, value: {{ .perProject | quote }} }
- { name: PENSTOCK_LIMITS_SHADOW, value: {{ .shadow | quote }} }
{{- end }}
{{- end -}}

{{- /* The port is for those who watch a process, so it is the pod's own and no other. */ -}}
{{- define "penstock.env.monitoring" -}}
- { name: PENSTOCK_METRICS_PORT, value: "9464" }
- { name: PENSTOCK_METRICS_HOST, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
{{- end -}}

{{- define "penstock.env.settings" -}}
{{- range $name, $value := . }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end -}}
