{{- /* What the chart makes itself: once for a rendering, so that checksums are those of what is installed; kept through upgrades. */ -}}
{{- define "penstock.made" -}}
{{- if not (hasKey .Values "made") -}}
{{- $name := include "penstock.componentName" (dict "root" . "component" "made") -}}
{{- $found := (lookup "v1" "Secret" .Release.Namespace $name | default dict).data | default dict -}}
{{- $made := dict "logins" dict -}}
{{- range $key, $prefix := dict "api-key" "sk-penstock-" "admin-key" "" "key-pepper" "" -}}
{{- $_ := set $made $key (get $found $key | default "" | b64dec | default (printf "%s%s" $prefix (randAlphaNum 40))) -}}
{{- end -}}
{{- range $key := list "nats-password" "redis-password" -}}
{{- $_ := set $made $key (get $found $key | default "" | b64dec) -}}
{{- end -}}
{{- range $user := append (keys (.Files.Get "files/roles.json" | fromJson) | sortAlpha) "health" -}}
{{- $secret := include "penstock.componentName" (dict "root" $ "component" (printf "login-%s" $user)) -}}
{{- $login := (lookup "v1" "Secret" $.Release.Namespace $secret | default dict).data | default dict -}}
{{- $own := dict -}}
{{- /* Those alone that its Secret keeps: another would be a new one, and change the checksum of all pods, with each upgrade. */ -}}
{{- range $server, $is := dict "nats" (and $.Values.nats.bundled.enabled (ne $user "health")) "redis" $.Values.redis.bundled.enabled -}}
{{- if $is -}}
{{- $key := printf "%s-password" $server -}}
{{- $_ := set $own $key (get $login $key | default "" | b64dec | default (randAlphaNum 40)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $made.logins $user $own -}}
{{- end -}}
{{- $_ := set .Values "made" $made -}}
{{- end -}}
{{- end -}}

{{- /* The Secret with what is not in one of yours. */ -}}
{{- define "penstock.secretData" -}}
{{- include "penstock.made" . -}}
{{- range $server, $word := dict "nats" "NATS" "redis" "Redis" -}}
{{- $is := index $.Values $server -}}
{{- $existing := or $is.existingSecret.name (without (values $is.loginSecrets) "") -}}
{{- $ways := add (ternary 1 0 (ne $is.url "")) (ternary 1 0 (not (empty $existing))) (ternary 1 0 $is.bundled.enabled) -}}
{{- if ne (int $ways) 1 -}}
{{- fail (printf "where is %s? Set one of %s.url, %s.existingSecret.name (or %s.loginSecrets) and %s.bundled.enabled" $word $server $server $server $server) -}}
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
{{- with .Values.nats.url }}
nats-url: {{ . | quote }}
{{- end }}
{{- with .Values.redis.url }}
redis-url: {{ . | quote }}
{{- end }}
{{- if and .Values.auth.earlierLogin (index .Values.made "nats-password") }}
nats-password: {{ index .Values.made "nats-password" | quote }}
redis-password: {{ index .Values.made "redis-password" | quote }}
{{- end }}
{{- end -}}

{{- /* Who a kind of service is at the chart's own servers. (dict "root" $ "user" "ingress") */ -}}
{{- define "penstock.loginData" -}}
{{- include "penstock.made" .root -}}
{{- $own := index .root.Values.made.logins .user -}}
{{- if .root.Values.nats.bundled.enabled }}
nats-password: {{ index $own "nats-password" | quote }}
nats-url: {{ printf "nats://%s:%s@%s:4222" .user (index $own "nats-password") (include "penstock.componentName" (dict "root" .root "component" "nats")) | quote }}
{{- end }}
{{- if .root.Values.redis.bundled.enabled }}
redis-password: {{ index $own "redis-password" | quote }}
redis-url: {{ printf "redis://%s:%s@%s:6379" .user (index $own "redis-password") (include "penstock.componentName" (dict "root" .root "component" "valkey")) | quote }}
{{- end }}
{{- end -}}

{{- /* Changes when anything does that the chart made. */ -}}
{{- define "penstock.secretsChecksum" -}}
{{- $data := include "penstock.secretData" . -}}
{{- $logins := ternary (toJson .Values.made.logins) "" (or .Values.nats.bundled.enabled .Values.redis.bundled.enabled) -}}
{{- printf "%s%s" $data $logins | sha256sum -}}
{{- end -}}

{{- /* Subjects of one list, those of streams for each shard. (dict "root" $ "subjects" list) */ -}}
{{- define "penstock.subjects" -}}
{{- $all := list -}}
{{- range $subject := .subjects -}}
{{- $here := replace "{region}" $.root.Values.region $subject -}}
{{- if contains "{shard}" $here -}}
{{- range $shard := until (int $.root.Values.shards) -}}
{{- $all = append $all (replace "{shard}" (toString $shard) $here | quote) -}}
{{- end -}}
{{- else -}}
{{- $all = append $all (quote $here) -}}
{{- end -}}
{{- end -}}
[{{ join ", " $all }}]
{{- end -}}

{{- /* Users of nats-server: libs/transport/roles has the table that files/roles.json is made of. */ -}}
{{- define "penstock.natsUsers" -}}
{{- include "penstock.made" . -}}
authorization {
  users: [
{{- range $user, $may := .Files.Get "files/roles.json" | fromJson }}
    { user: {{ $user | quote }}, password: {{ index $.Values.made.logins $user "nats-password" | quote }}, permissions: {
      publish: { allow: {{ include "penstock.subjects" (dict "root" $ "subjects" $may.nats.publish) }} }
      subscribe: { allow: {{ include "penstock.subjects" (dict "root" $ "subjects" $may.nats.subscribe) }} }
      {{- if $may.nats.answers }}
      allow_responses: { max: -1, expires: "30s" }
      {{- end }}
    } }
{{- end }}
{{- if and .Values.auth.earlierLogin (index .Values.made "nats-password") }}
    { user: penstock, password: {{ index .Values.made "nats-password" | quote }} }
{{- end }}
  ]
}
{{- end -}}

{{- /* The same of Valkey, with digests of the passwords. */ -}}
{{- define "penstock.redisUsers" -}}
{{- include "penstock.made" . -}}
{{- if and .Values.auth.earlierLogin (index .Values.made "redis-password") -}}
user default on #{{ index .Values.made "redis-password" | sha256sum }} ~* &* +@all
{{- else -}}
user default off
{{- end }}
{{- range $user, $may := .Files.Get "files/roles.json" | fromJson }}
user {{ $user }} on #{{ index $.Values.made.logins $user "redis-password" | sha256sum }} resetkeys resetchannels -@all {{ replace "{region}" $.Values.region $may.redis }}
{{- end }}
user health on #{{ index .Values.made.logins "health" "redis-password" | sha256sum }} resetkeys resetchannels -@all +ping
{{ end -}}

{{- /* The file with the URL of NATS or Redis, with the login of one kind of service. (dict "root" $ "server" "nats" "role" "ingress") */ -}}
{{- define "penstock.urlFile" -}}
{{- $is := index .root.Values .server -}}
{{- $file := printf "%s-url" .server -}}
{{- $secret := include "penstock.componentName" (dict "root" .root "component" "made") -}}
{{- $key := $file -}}
{{- if $is.bundled.enabled -}}
{{- $secret = include "penstock.componentName" (dict "root" .root "component" (printf "login-%s" .role)) -}}
{{- else if not $is.url -}}
{{- $secret = default $is.existingSecret.name (get $is.loginSecrets .role) -}}
{{- $key = $is.existingSecret.key -}}
{{- if not $secret -}}
{{- fail (printf "%s.loginSecrets.%s is empty: name the Secret with the URL for it, or one for all in %s.existingSecret.name" .server .role .server) -}}
{{- end -}}
{{- end -}}
{{- include "penstock.secretFile" (dict "secret" $secret "key" $key "path" $file) -}}
{{- end -}}

{{- /*
The volume of secrets of one service, each a file. (dict "root" $ "role" "ingress" "api" true "console" true "engineKey" secret "webhooks" true "encryption" true "workKeys" true)
*/ -}}
{{- define "penstock.secretsVolume" -}}
{{- $made := include "penstock.componentName" (dict "root" .root "component" "made") -}}
{{- $values := .root.Values -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- include "penstock.urlFile" (dict "root" .root "server" "nats" "role" .role) | nindent 6 }}
      {{- include "penstock.urlFile" (dict "root" .root "server" "redis" "role" .role) | nindent 6 }}
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
      {{- if and .encryption $values.encryption.keys.existingSecret }}
      {{- include "penstock.secretFile" (dict "secret" $values.encryption.keys.existingSecret "key" $values.encryption.keys.key "path" "encryption-keys") | nindent 6 }}
      {{- end }}
      {{- if and .workKeys $values.encryption.workKeys.existingSecret }}
      {{- include "penstock.secretFile" (dict "secret" $values.encryption.workKeys.existingSecret "key" $values.encryption.workKeys.key "path" "work-keys") | nindent 6 }}
      {{- end }}
      {{- with $values.files.s3.existingSecret }}
      {{- include "penstock.secretFile" (dict "secret" . "key" "access-key-id" "path" "s3-access-key-id") | nindent 6 }}
      {{- include "penstock.secretFile" (dict "secret" . "key" "secret-access-key" "path" "s3-secret-access-key") | nindent 6 }}
      {{- end }}
{{- end -}}

{{- define "penstock.secretFile" -}}
- secret: { name: {{ .secret }}, items: [{ key: {{ .key | quote }}, path: {{ .path }} }] }
{{- end -}}
