{{- /* What the chart makes itself: once for a rendering, so that checksums are those of what is installed; kept through upgrades. */ -}}
{{- define "penstock.made" -}}
{{- if not (hasKey .Values "made") -}}
{{- $name := include "penstock.componentName" (dict "root" . "component" "made") -}}
{{- $found := (lookup "v1" "Secret" .Release.Namespace $name | default dict).data | default dict -}}
{{- $made := dict -}}
{{- range $key, $prefix := dict "api-key" "sk-penstock-" "admin-key" "" "key-pepper" "" "nats-password" "" "redis-password" "" -}}
{{- $_ := set $made $key (get $found $key | default "" | b64dec | default (printf "%s%s" $prefix (randAlphaNum 40))) -}}
{{- end -}}
{{- $_ := set .Values "made" $made -}}
{{- end -}}
{{- end -}}

{{- define "penstock.natsUrl" -}}
{{- include "penstock.made" . -}}
{{- if .Values.nats.bundled.enabled -}}
{{- printf "nats://penstock:%s@%s:4222" (index .Values.made "nats-password") (include "penstock.componentName" (dict "root" . "component" "nats")) -}}
{{- else -}}
{{- .Values.nats.url -}}
{{- end -}}
{{- end -}}

{{- define "penstock.redisUrl" -}}
{{- include "penstock.made" . -}}
{{- if .Values.redis.bundled.enabled -}}
{{- printf "redis://:%s@%s:6379" (index .Values.made "redis-password") (include "penstock.componentName" (dict "root" . "component" "valkey")) -}}
{{- else -}}
{{- .Values.redis.url -}}
{{- end -}}
{{- end -}}

{{- /* The Secret with what is not in one of yours. */ -}}
{{- define "penstock.secretData" -}}
{{- include "penstock.made" . -}}
{{- range $server, $word := dict "nats" "NATS" "redis" "Redis" -}}
{{- $is := index $.Values $server -}}
{{- $ways := add (ternary 1 0 (ne $is.url "")) (ternary 1 0 (ne $is.existingSecret.name "")) (ternary 1 0 $is.bundled.enabled) -}}
{{- if ne (int $ways) 1 -}}
{{- fail (printf "where is %s? Set one of %s.url, %s.existingSecret.name and %s.bundled.enabled" $word $server $server $server) -}}
{{- end -}}
{{- end -}}
{{- if not .Values.auth.apiKeys.existingSecret }}
api-key: {{ index .Values.made "api-key" | quote }}
{{- end }}
{{- if not .Values.auth.keyPepper.existingSecret }}
key-pepper: {{ index .Values.made "key-pepper" | quote }}
{{- end }}
{{- if not .Values.auth.adminKeys.existingSecret }}
admin-key: {{ index .Values.made "admin-key" | quote }}
{{- end }}
{{- if not .Values.nats.existingSecret.name }}
nats-url: {{ include "penstock.natsUrl" . | quote }}
{{- end }}
{{- if not .Values.redis.existingSecret.name }}
redis-url: {{ include "penstock.redisUrl" . | quote }}
{{- end }}
{{- if .Values.nats.bundled.enabled }}
nats-password: {{ index .Values.made "nats-password" | quote }}
nats-auth.conf: {{ printf "authorization { user: penstock, password: %s }" (index .Values.made "nats-password" | quote) | quote }}
{{- end }}
{{- if .Values.redis.bundled.enabled }}
redis-password: {{ index .Values.made "redis-password" | quote }}
redis-auth.conf: {{ printf "requirepass %s" (index .Values.made "redis-password") | quote }}
{{- end }}
{{- end -}}

{{- /*
The volume of secrets of one service, each a file. (dict "root" $ "keys" (list "api" "admin") "engine" secret "webhooks" true)
*/ -}}
{{- define "penstock.secretsVolume" -}}
{{- $made := include "penstock.componentName" (dict "root" .root "component" "made") -}}
{{- $values := .root.Values -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- include "penstock.secretFile" (dict "secret" (default $made $values.nats.existingSecret.name) "key" (ternary $values.nats.existingSecret.key "nats-url" (ne $values.nats.existingSecret.name "")) "path" "nats-url") | nindent 6 }}
      {{- include "penstock.secretFile" (dict "secret" (default $made $values.redis.existingSecret.name) "key" (ternary $values.redis.existingSecret.key "redis-url" (ne $values.redis.existingSecret.name "")) "path" "redis-url") | nindent 6 }}
      {{- if .api }}
      {{- include "penstock.secretFile" (dict "secret" (default $made $values.auth.apiKeys.existingSecret) "key" (ternary $values.auth.apiKeys.key "api-key" (ne $values.auth.apiKeys.existingSecret "")) "path" "api-keys") | nindent 6 }}
      {{- include "penstock.secretFile" (dict "secret" (default $made $values.auth.keyPepper.existingSecret) "key" (ternary $values.auth.keyPepper.key "key-pepper" (ne $values.auth.keyPepper.existingSecret "")) "path" "key-pepper") | nindent 6 }}
      {{- end }}
      {{- if or .api .console }}
      {{- include "penstock.secretFile" (dict "secret" (default $made $values.auth.adminKeys.existingSecret) "key" (ternary $values.auth.adminKeys.key "admin-key" (ne $values.auth.adminKeys.existingSecret "")) "path" "admin-keys") | nindent 6 }}
      {{- end }}
      {{- if .console }}
      {{- with $values.auth.viewerKeys.existingSecret }}
      {{- include "penstock.secretFile" (dict "secret" . "key" $values.auth.viewerKeys.key "path" "viewer-keys") | nindent 6 }}
      {{- end }}
      {{- end }}
      {{- with .engineKey }}
      {{- include "penstock.secretFile" (dict "secret" .name "key" .key "path" "engine-api-key") | nindent 6 }}
      {{- end }}
      {{- if .webhooks }}
      {{- include "penstock.secretFile" (dict "secret" $values.tasks.webhooks.existingSecret "key" $values.tasks.webhooks.key "path" "webhooks") | nindent 6 }}
      {{- end }}
      {{- with $values.files.s3.existingSecret }}
      {{- include "penstock.secretFile" (dict "secret" . "key" "access-key-id" "path" "s3-access-key-id") | nindent 6 }}
      {{- include "penstock.secretFile" (dict "secret" . "key" "secret-access-key" "path" "s3-secret-access-key") | nindent 6 }}
      {{- end }}
{{- end -}}

{{- define "penstock.secretFile" -}}
- secret: { name: {{ .secret }}, items: [{ key: {{ .key | quote }}, path: {{ .path }} }] }
{{- end -}}
